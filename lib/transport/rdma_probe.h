// One connection request over RDMA, and what became of it step by step: for who asks whether and why not,
// where a dial (dial.h) is for who wants the link. Thread of its loop.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "ground/deadline.h"
#include "io/loop.h"
#include "transport/link.h"
#include "transport/rdma_route.h"

namespace rdpipe {

enum class RdmaStep : std::uint8_t {
  kAddress,     // which device leads there, and the neighbour's hardware address
  kRoute,       // the path, which on InfiniBand the subnet's administrator knows
  kConnection,  // the other host's rdma_cm is asked
};

struct RdmaProbe {
  RdmaStep step = RdmaStep::kAddress;  // the last that was begun
  int error = 0;                       // why it failed: an errno value, ETIMEDOUT where nothing came
  bool refused = false;                // the other host's rdma_cm has answered: no
  std::string cause;                   // of the failure, for people
  std::string device;                  // that leads there; empty where none does
  std::string local;                   // the address that it leads from; empty likewise
  std::unique_ptr<Link> link;          // to an rdpipe; null with error 0: to something else
};

// Sleeps in `loop`, until `deadline` at the latest. Throws Error{kMemory} where nothing can be pinned,
// Error{kNetwork} where rdma_cm cannot be used.
[[nodiscard]] RdmaProbe probe_rdma(Loop& loop, const RdmaRoute& route, const FabricOptions& options,
                                   Deadline deadline);

}  // namespace rdpipe
