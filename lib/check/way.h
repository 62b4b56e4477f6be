// The way from here to a host, judged from what was found and answered. Pure, but for find_path(). Any
// thread.
#pragma once

#include <string>
#include <vector>

#include "check/ask.h"
#include "check/devices.h"
#include "check/findings.h"
#include "transport/address.h"

namespace rdpipe {

// Where the kernel would send an IP packet from; empty where it has no route.
struct Path {
  std::string source;     // "10.0.0.1"
  std::string interface;  // "eth0"
};
[[nodiscard]] Path find_path(const SocketAddress& remote);

struct Way {
  PeerAddress peer;  // as asked for; port empty: none was named
  Path path;         // of its first address
  Reply rdma, tcp;   // tcp: not asked without a port
};

// What is asked over RDMA where no port was named: any answer, a refusal too, tells that the host's RDMA is
// there.
constexpr const char* kClosedPort = "9";

[[nodiscard]] Finding judge_route(const Way& way, const std::vector<RdmaDevice>& devices);
[[nodiscard]] Finding judge_rdma(const Way& way, const std::vector<RdmaDevice>& devices);
// `works_over_rdma`: then TCP is not needed.
[[nodiscard]] Finding judge_tcp(const Way& way, bool works_over_rdma);

}  // namespace rdpipe
