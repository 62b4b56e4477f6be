// A link that is there already, as what a Lobby listens to. Thread of the link's loop.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "transport/fabric.h"
#include "transport/link.h"

namespace rdpipe {

class OneLink final : public Acceptor {
 public:
  explicit OneLink(std::unique_ptr<Link> link) : link_(std::move(link)) {}
  [[nodiscard]] std::unique_ptr<Link> poll() override { return std::move(link_); }
  [[nodiscard]] std::uint16_t port() const override { return 0; }
  [[nodiscard]] std::string describe() const override { return "a link"; }

 private:
  std::unique_ptr<Link> link_;
};

}  // namespace rdpipe
