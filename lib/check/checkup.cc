#include "check/checkup.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <memory>
#include <utility>

#include "check/ask.h"
#include "check/host.h"
#include "check/way.h"
#include "ground/error.h"
#include "transport/dial.h"
#include "transport/rdma_endpoint.h"
#include "transport/rdma_route.h"
#include "verbs/device.h"
#include "verbs/queue.h"

namespace rdpipe {
namespace {

// Why a device that is listed cannot be used; empty where it can.
std::string obstacle_of(const std::string& device) {
  const OpenDevice open = open_rdma_device(device);
  if (!open) return errno_text(errno);
  try {
    const ProtectionDomain domain(open.get());
    return {};
  } catch (const Error& error) {
    return error.cause();
  }
}

// What only the verbs know.
void complete(std::vector<RdmaDevice>& devices) {
  const auto names = rdma_device_names();
  for (RdmaDevice& device : devices) {
    device.listed = std::ranges::find(names, device.name) != names.end();
    if (device.listed) device.obstacle = obstacle_of(device.name);
    for (RdmaPort& port : device.ports) port.mtu = active_mtu(device.name, port.number);
  }
}

LockedMemory try_locked_memory(const CheckRequest& request, const std::vector<RdmaDevice>& devices) {
  LockedMemory memory = read_locked_memory(request.roots);
  memory.least = kEndpointPinned;
  memory.wanted = kEndpointPinned + request.ring;
  for (const RdmaDevice& device : devices) {
    const bool usable =
        device.listed && device.obstacle.empty() && !device.node.empty() && device.node_error == 0;
    if (!usable) continue;
    memory.least_error = try_pinning(device.name, memory.least);
    memory.wanted_error = try_pinning(device.name, memory.wanted);
    break;
  }
  return memory;
}

void check_host(const CheckRequest& request, CheckReport& report) {
  const std::string& wanted = request.fabric.device;
  report.devices = read_devices(request.roots);
  if (!wanted.empty()) {
    std::erase_if(report.devices, [&](const RdmaDevice& device) { return device.name != wanted; });
  }
  complete(report.devices);
  report.findings = judge_devices(report.devices, request.fabric);
  if (!report.devices.empty()) report.findings.push_back(check_rdma_cm(request.roots));
  report.findings.push_back(judge_locked_memory(try_locked_memory(request, report.devices)));
  report.findings.push_back(judge_uring(try_uring(request.roots)));
}

// What the name service and the devices say of a host. A worker asks, which may outlive the check.
struct KnownHost {
  std::vector<SocketAddress> addresses;
  std::vector<RdmaRoute> routes;
  std::exception_ptr no_routes;  // why there are none
};

std::shared_ptr<const KnownHost> look_up(Loop& loop, const PeerAddress& peer, const CheckRequest& request) {
  const auto known = std::make_shared<KnownHost>();
  const auto job = [peer, options = request.fabric, known]() -> std::int64_t {
    known->addresses = resolve(peer, options.family, Purpose::kConnect);
    try {
      known->routes = rdma_routes_to(known->addresses, peer, options);
    } catch (...) {
      known->no_routes = std::current_exception();
    }
    return 0;
  };
  Operation looking;
  loop.run(looking, job, Abandon::kDetach);
  const Deadline deadline = Deadline::in(request.patience);
  while (looking.pending() && !deadline.passed()) loop.wait(deadline);
  if (looking.pending()) {
    throw Error(Status::kConnectTimeout, "", "the name service does not answer",
                "is the name service up? An IP address in place of the name does without");
  }
  looking.take();
  return known;
}

// Nothing where the name means nothing.
std::shared_ptr<const KnownHost> resolve_host(Loop& loop, const CheckRequest& request, CheckReport& report,
                                              Way& way) {
  const std::string host = printable(request.peer.host);
  try {
    auto known = look_up(loop, way.peer, request);
    way.path = find_path(known->addresses.front());
    std::vector<std::string> texts;
    for (const SocketAddress& address : known->addresses) {
      std::string text = address.text();
      texts.push_back(text.substr(0, text.rfind(':')));
    }
    report.findings.push_back(good("name", host, fmt::format("{}", fmt::join(texts, ", "))));
    return known;
  } catch (const Error& error) {
    if (error.status() == Status::kSignal || error.status() == Status::kUsage) throw;
    const std::string remedy = error.hint().empty() ? "getent hosts NAME shows what is known" : error.hint();
    report.findings.push_back(bad(error.status(), "name", host, error.cause(), remedy));
    return nullptr;
  }
}

Reply try_rdma(Loop& loop, const CheckRequest& request, const KnownHost& host) {
  Reply reply;
  reply.status = Status::kEndpoint;
  if (!rdma_available(request.fabric, reply.cause)) return reply;
  try {
    if (host.no_routes) std::rethrow_exception(host.no_routes);
    return ask_over_rdma(loop, host.routes, request.fabric, Deadline::in(request.patience));
  } catch (const Error& error) {
    if (error.status() == Status::kSignal || error.status() == Status::kUsage) throw;
    reply.cause = error.what();
    reply.status = error.status();
    if (error.status() == Status::kEndpoint) reply.answer = Answer::kNoWay;
    return reply;
  }
}

Reply try_tcp(Loop& loop, const CheckRequest& request, const PeerAddress& peer) {
  try {
    return ask_over_tcp(loop, peer, request.fabric, Deadline::in(request.patience));
  } catch (const Error& error) {
    if (error.status() != Status::kEndpoint) throw;
    Reply reply;
    reply.answer = Answer::kNoWay;
    reply.cause = error.cause();
    reply.status = error.status();
    return reply;
  }
}

void check_way(Loop& loop, const CheckRequest& request, CheckReport& report) {
  Way way;
  way.peer = request.peer;
  if (way.peer.port.empty()) way.peer.port = kClosedPort;
  const auto host = resolve_host(loop, request, report, way);
  if (!host) {
    report.tcp = TcpUse::kNo;
    return;
  }
  way.rdma = try_rdma(loop, request, *host);
  if (!request.peer.port.empty()) way.tcp = try_tcp(loop, request, way.peer);
  way.peer = request.peer;
  report.device = way.rdma.device;
  report.source = way.rdma.local;
  report.findings.push_back(judge_route(way, report.devices));
  report.findings.push_back(judge_rdma(way, report.devices));
  report.findings.push_back(judge_tcp(way, report.rdma()));
  if (way.tcp.answer != Answer::kNotAsked) {
    report.tcp = way.tcp.answer == Answer::kRdpipe ? TcpUse::kYes : TcpUse::kNo;
  }
}

std::string summary_of(const CheckReport& report) {
  const bool here = report.host.empty();
  const std::string to = here                  ? "this host"
                         : report.port.empty() ? printable(report.host)
                                               : endpoint_text({report.host, report.port});
  if (report.rdma()) {
    if (here) return "RDMA: yes, as far as this host goes";
    return fmt::format("RDMA: yes, to {} by {}", to, report.device);
  }
  switch (report.tcp) {
    case TcpUse::kYes:
      return fmt::format("RDMA: no; TCP only, to {}", to);
    case TcpUse::kNo:
      return fmt::format("RDMA: no, and TCP: no, to {}", to);
    case TcpUse::kUnknown:
      break;
  }
  if (here) return "RDMA: no; TCP only";
  return fmt::format("RDMA: no; TCP only, perhaps, to {}: name a PORT to try", to);
}

}  // namespace

CheckReport run_checks(Loop& loop, const CheckRequest& request) {
  CheckReport report;
  report.host = request.peer.host;
  report.port = request.peer.port;
  check_host(request, report);
  if (!request.peer.host.empty()) check_way(loop, request, report);
  report.summary = summary_of(report);
  return report;
}

}  // namespace rdpipe
