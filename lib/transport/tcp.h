// TCP's way to links: what dial.h offers, and a listener whose two steps fabric.cc needs one at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "ground/descriptor.h"
#include "io/loop.h"
#include "transport/dial.h"

namespace rdpipe {

// Bound by construction, so that the port is known and nobody else's, but refusing until start(). Thread of
// its loop.
class TcpAcceptor final : public Acceptor {
 public:
  // port "0": the kernel chooses. Throws as listen() of fabric.h.
  TcpAcceptor(Loop& loop, const std::string& port, const FabricOptions& options);

  void start();
  [[nodiscard]] std::unique_ptr<Link> poll() override;
  [[nodiscard]] std::uint16_t port() const override { return port_; }
  [[nodiscard]] std::string describe() const override { return "TCP"; }

 private:
  [[nodiscard]] Descriptor accept_one();

  Loop& loop_;
  Nanoseconds keep_alive_;
  std::string attempt_;  // "listen on port 12345"
  Descriptor socket_;
  std::uint16_t port_ = 0;
  std::optional<Watch> acceptable_;
  std::optional<Deadline> pause_;  // out of descriptors or memory until then
};

}  // namespace rdpipe
