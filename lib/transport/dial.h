// What each fabric offers to fabric.cc: one try to connect, and one listener.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "transport/fabric.h"

namespace rdpipe {

// One try to connect to one host over one fabric, under way from construction on.
class Dial {
 public:
  virtual ~Dial() = default;  // gives up
  // The link once it is connected; nothing while the caller may sleep. Throws Error that says why this try
  // failed: Status::kNetwork where trying again may help (refused, unreachable), kEndpoint where it cannot.
  [[nodiscard]] virtual std::unique_ptr<Link> poll() = 0;
};

// Whether this host has an RDMA device that `options` allow; `why_not` then says what is missing.
[[nodiscard]] bool rdma_available(const FabricOptions& options, std::string& why_not);

// Both resolve the name themselves and try its addresses in order. Resolving runs on a worker of the loop.
[[nodiscard]] std::unique_ptr<Dial> dial_rdma(Loop& loop, const PeerAddress& peer,
                                              const FabricOptions& options);
[[nodiscard]] std::unique_ptr<Dial> dial_tcp(Loop& loop, const PeerAddress& peer,
                                             const FabricOptions& options);

// port 0: the fabric chooses. `notice` hears once of memory that lacks to accept anybody: where RDMA is not
// all that will do, its connector takes TCP.
[[nodiscard]] std::unique_ptr<Acceptor> listen_rdma(Loop& loop, const std::string& port,
                                                    const FabricOptions& options,
                                                    std::function<void(const std::string&)> notice = {});
[[nodiscard]] std::unique_ptr<Acceptor> listen_tcp(Loop& loop, const std::string& port,
                                                   const FabricOptions& options);

}  // namespace rdpipe
