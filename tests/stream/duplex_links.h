// The links of tests of a duplex without a device, and what wraps one of them.
#pragma once

#include "stream/duplex_ends.h"
#include "transport/dial.h"
#include "transport/loopback.h"

namespace rdpipe {

inline LinkMaker loopback(const FaultScript& script = {}) {
  return [script](Loop& a, Loop& b) -> Links { return make_loopback(a, b, script); };
}

inline LinkMaker tcp() {
  return [](Loop& a, Loop& b) -> Links {
    const auto acceptor = listen_tcp(b, "0", {});
    const auto dial = dial_tcp(a, {"localhost", std::to_string(acceptor->port())}, {});
    return meet(a, *dial, b, *acceptor);
  };
}

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

// The first of two ends wrapped.
template <typename Wrapped>
LinkMaker wrapped(const LinkMaker& links, Wrapped*& link) {
  return [links, &link](Loop& a, Loop& b) -> Links {
    auto [first, second] = links(a, b);
    auto wrapped = std::make_unique<Wrapped>(std::move(first));
    link = wrapped.get();
    return {std::move(wrapped), std::move(second)};
  };
}
template <typename Wrapped>
LinkMaker wrapped_loopback(Wrapped*& link) {
  return wrapped(loopback(), link);
}

}  // namespace rdpipe
