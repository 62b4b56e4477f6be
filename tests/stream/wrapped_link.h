// A link that passes everything on to another, for links of tests that are different in one thing.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "transport/link.h"

namespace rdpipe {

class WrappedLink : public Link {
 public:
  explicit WrappedLink(std::unique_ptr<Link> link) : link_(std::move(link)) {}

  void attach(Ring& ring) override { link_->attach(ring); }
  void detach(Ring& ring) override { link_->detach(ring); }
  void post_send(Slot slot) override { link_->post_send(std::move(slot)); }
  void post_receive(Slot slot) override { link_->post_receive(std::move(slot)); }
  void post_control(std::span<const std::byte> bytes) override { link_->post_control(bytes); }
  [[nodiscard]] std::size_t send_credits() const override { return link_->send_credits(); }
  [[nodiscard]] bool drained() const override { return link_->drained(); }
  [[nodiscard]] std::optional<LinkEvent> poll() override { return link_->poll(); }
  void wake_for(Wake what) override { link_->wake_for(what); }
  [[nodiscard]] bool held_back() const override { return link_->held_back(); }
  [[nodiscard]] bool peer_closed() const override { return link_->peer_closed(); }
  void close() override { link_->close(); }
  void move_to(Loop& loop) override { link_->move_to(loop); }
  void set_keep_alive(Nanoseconds limit) override { link_->set_keep_alive(limit); }
  [[nodiscard]] const LinkInfo& info() const override { return link_->info(); }

 private:
  std::unique_ptr<Link> link_;
};

}  // namespace rdpipe
