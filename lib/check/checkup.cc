#include "check/checkup.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "check/ask.h"
#include "check/host.h"
#include "check/way.h"
#include "ground/error.h"
#include "transport/dial.h"
#include "transport/rdma_endpoint.h"
#include "verbs/device.h"

namespace rdpipe {
namespace {

// What only the verbs know.
void complete(std::vector<RdmaDevice>& devices) {
  const auto names = rdma_device_names();
  for (RdmaDevice& device : devices) {
    device.listed = std::ranges::find(names, device.name) != names.end();
    for (RdmaPort& port : device.ports) port.mtu = active_mtu(device.name, port.number);
  }
}

LockedMemory try_locked_memory(const CheckRequest& request, const std::vector<RdmaDevice>& devices) {
  LockedMemory memory = read_locked_memory(request.roots);
  memory.least = kEndpointPinned;
  memory.wanted = kEndpointPinned + request.ring;
  for (const RdmaDevice& device : devices) {
    if (!device.listed || device.node.empty() || device.node_error != 0) continue;
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
  report.findings = judge_devices(report.devices, wanted);
  if (!report.devices.empty()) report.findings.push_back(check_rdma_cm(request.roots));
  report.findings.push_back(judge_locked_memory(try_locked_memory(request, report.devices)));
  report.findings.push_back(judge_uring(try_uring(request.roots)));
}

// False where the name means nothing.
bool resolve_host(const CheckRequest& request, CheckReport& report, Way& way) {
  const std::string host = printable(request.peer.host);
  try {
    const auto addresses = resolve(way.peer, request.fabric.family, Purpose::kConnect);
    way.path = find_path(addresses.front());
    std::vector<std::string> texts;
    for (const SocketAddress& address : addresses) {
      std::string text = address.text();
      texts.push_back(text.substr(0, text.rfind(':')));
    }
    report.findings.push_back(good("name", host, fmt::format("{}", fmt::join(texts, ", "))));
    return true;
  } catch (const Error& error) {
    if (error.status() == Status::kUsage) throw;
    const std::string remedy = error.hint().empty() ? "getent hosts NAME shows what is known" : error.hint();
    report.findings.push_back(bad(error.status(), "name", host, error.cause(), remedy));
    return false;
  }
}

Reply try_rdma(Loop& loop, const CheckRequest& request, const PeerAddress& peer) {
  Reply reply;
  reply.status = Status::kEndpoint;
  if (!rdma_available(request.fabric, reply.cause)) return reply;
  try {
    return ask_over_rdma(loop, peer, request.fabric, Deadline::in(request.patience));
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
  if (!resolve_host(request, report, way)) {
    report.tcp = TcpUse::kNo;
    return;
  }
  way.rdma = try_rdma(loop, request, way.peer);
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
