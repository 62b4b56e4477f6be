// What answers at a port of another host, as far as that can be learnt without a key: whoever listens there
// takes the one who asks for a stranger that has left. Thread of the loop.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ground/deadline.h"
#include "ground/exception.h"
#include "io/loop.h"
#include "transport/fabric.h"
#include "transport/rdma_route.h"

namespace rdpipe {

enum class Answer : std::uint8_t {
  kNotAsked,      // `cause` says why
  kNoWay,         // no device, interface or neighbour leads there: nothing was sent to the host
  kSilent,        // nothing came back
  kRefused,       // the host is there, and nobody listens
  kStranger,      // something listens that is no rdpipe
  kOtherVersion,  // an rdpipe of another major version
  kRdpipe,
};

struct Reply {
  Answer answer = Answer::kNotAsked;
  std::string cause{};                      // what the kernel or the device said, for people
  std::string device{};                     // of RDMA: the device that leads there; empty where none does
  std::string local{};                      // ... and the address that it leads from
  Status status = Status::kConnectTimeout;  // what a transfer would exit with that got this reply

  [[nodiscard]] bool is_from_host() const { return answer >= Answer::kRefused; }
};

// Each asks the addresses of a host in their order until it has answered from one, or `deadline`. The second
// throws what resolve() of address.h throws.
[[nodiscard]] Reply ask_over_rdma(Loop& loop, const std::vector<RdmaRoute>& routes,
                                  const FabricOptions& options, Deadline deadline);
[[nodiscard]] Reply ask_over_tcp(Loop& loop, const PeerAddress& peer, const FabricOptions& options,
                                 Deadline deadline);

}  // namespace rdpipe
