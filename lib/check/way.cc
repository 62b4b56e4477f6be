#include "check/way.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>

#include "ground/descriptor.h"
#include "ground/error.h"

namespace rdpipe {
namespace {

std::string host_of(const SocketAddress& address) {
  const std::string text = address.text();
  return text.substr(0, text.rfind(':'));
}

std::string shown(const PeerAddress& peer) {
  return peer.port.empty() ? printable(peer.host) : endpoint_text(peer);
}

const RdmaPort* port_of(const std::vector<RdmaDevice>& devices, const std::string& name) {
  for (const RdmaDevice& device : devices) {
    if (device.name == name && !device.ports.empty()) return &device.ports.front();
  }
  return nullptr;
}

std::string interfaces_of(const std::vector<RdmaDevice>& devices) {
  std::vector<std::string> names;
  for (const RdmaDevice& device : devices) {
    for (const RdmaPort& port : device.ports) {
      if (!port.netdev.empty()) names.push_back(port.netdev);
    }
  }
  return names.empty() ? "an RDMA device" : fmt::format("{}", fmt::join(names, ", "));
}

// What lies on the way and may say no.
std::string must_be_open(const Way& way, const std::vector<RdmaDevice>& devices) {
  const RdmaPort* port = port_of(devices, way.rdma.device);
  const bool roce = port == nullptr || port->is_ethernet();
  return roce ? "do firewalls, here, there and between, let UDP port 4791 (RoCE v2) through both ways?"
              : "do both hosts share a partition of the fabric (P_Key)?";
}

Finding judge_no_answer(const Way& way, const std::vector<RdmaDevice>& devices) {
  std::string remedy = "has that host an RDMA device, and " + must_be_open(way, devices);
  if (way.tcp.answer == Answer::kRdpipe) {
    remedy =
        "the listener there may have no RDMA: rdping --check there tells; and " + must_be_open(way, devices);
  }
  return bad(Status::kConnectTimeout, "rdma", shown(way.peer), "no answer: " + way.rdma.cause, remedy);
}

Finding judge_refusal(const Way& way) {
  const std::string to = shown(way.peer);
  if (way.peer.port.empty()) {
    return good("rdma", to, "the host's RDMA answers: it refuses a port where nobody listens");
  }
  if (way.tcp.answer == Answer::kRdpipe) {
    return bad(way.rdma.status, "rdma", to, "the host's RDMA answers, but this listener is not on it",
               "it says why at its start: --fabric=tcp, another --device, or too little memory to lock");
  }
  return bad(way.rdma.status, "rdma", to, "the host's RDMA answers, but nobody listens there",
             fmt::format("start it there: rdrecv {} KEY; it takes one sender and is then gone (an rdping "
                         "--serve is not seen here, as its ports are others: rdping {} asks it)",
                         printable(way.peer.port), to));
}

}  // namespace

Path find_path(const SocketAddress& remote) {
  const Descriptor socket(::socket(remote.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0));
  SocketAddress to = remote;
  to.set_port(1);  // any: nothing is sent
  if (!socket || ::connect(socket.get(), to.get(), to.size) != 0) return {};
  const SocketAddress local = local_address(socket.get());
  return {host_of(local), interface_of(local)};
}

Finding judge_route(const Way& way, const std::vector<RdmaDevice>& devices) {
  const std::string to = printable(way.peer.host);
  const std::string by_ip =
      way.path.source.empty() ? "there is no route"
                              : fmt::format("over interface {} from {}", way.path.interface, way.path.source);
  if (way.path.source.empty() && way.rdma.device.empty()) {
    return bad(Status::kEndpoint, "route", to, by_ip,
               "ip route get ADDRESS shows what the kernel knows; is the interface up?");
  }
  if (way.rdma.answer == Answer::kNotAsked) return good("route", to, by_ip);
  if (way.rdma.answer != Answer::kNoWay) {
    return good("route", to, fmt::format("by device {} from {}", way.rdma.device, way.rdma.local));
  }
  if (way.rdma.status == Status::kConnectTimeout) {
    return bad(way.rdma.status, "route", to, fmt::format("{}: {}", by_ip, way.rdma.cause),
               "is the host up, and on this network? ip neigh shows whether it answers");
  }
  return bad(way.rdma.status, "route", to, fmt::format("{}: {}", by_ip, way.rdma.cause),
             fmt::format("name an address of the host that is reached over {}", interfaces_of(devices)));
}

Finding judge_rdma(const Way& way, const std::vector<RdmaDevice>& devices) {
  const std::string to = shown(way.peer);
  switch (way.rdma.answer) {
    case Answer::kNotAsked:
      return bad(way.rdma.status, "rdma", to, "not asked: " + way.rdma.cause, "first mend what fails above");
    case Answer::kNoWay:
      return bad(way.rdma.status, "rdma", to, "not asked: no way there", "first mend what fails above");
    case Answer::kSilent:
      return judge_no_answer(way, devices);
    case Answer::kRefused:
      return judge_refusal(way);
    case Answer::kStranger:
      if (way.peer.port.empty()) return good("rdma", to, "the host's RDMA answers");
      return bad(way.rdma.status, "rdma", to, "what answers there is no rdpipe", "is it the right port?");
    case Answer::kOtherVersion:
      return bad(way.rdma.status, "rdma", to, "an rdpipe of another version answers",
                 "install the same version at both ends");
    case Answer::kRdpipe:
      break;
  }
  return good("rdma", to, "an rdpipe answers");
}

Finding judge_tcp(const Way& way, bool works_over_rdma) {
  const std::string to = shown(way.peer);
  if (way.peer.port.empty()) {
    return good("tcp", to,
                "not asked: no PORT; firewalls must let through that of the listener, for TCP, and UDP port "
                "4791 for RoCE v2");
  }
  if (way.tcp.answer == Answer::kRdpipe) return good("tcp", to, "an rdpipe answers");
  const auto judged = [&](std::string text, std::string remedy) {
    if (works_over_rdma) return doubtful("tcp", to, std::move(text), std::move(remedy));
    return bad(way.tcp.status, "tcp", to, std::move(text), std::move(remedy));
  };
  const std::string port = printable(way.peer.port);
  switch (way.tcp.answer) {
    case Answer::kRefused:
      return judged("nobody listens there, or a firewall refuses it",
                    fmt::format("start it there: rdrecv {} KEY; it takes one sender and is then gone", port));
    case Answer::kStranger:
      return judged("what answers there is no rdpipe", "is it the right port?");
    case Answer::kOtherVersion:
      return judged("an rdpipe of another version answers", "install the same version at both ends");
    case Answer::kNoWay:
      return judged(way.tcp.cause, "is the host up, and on this network?");
    default:
      return judged("no answer: " + way.tcp.cause,
                    fmt::format("is the host up, and does its firewall let TCP port {} through?", port));
  }
}

}  // namespace rdpipe
