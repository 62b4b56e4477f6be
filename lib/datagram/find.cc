#include "datagram/find.h"

#include <fmt/format.h>
#include <netdb.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "ground/error.h"
#include "transport/address.h"
#include "transport/dial.h"
#include "transport/rdma_route.h"
#include "verbs/connection.h"
#include "verbs/device.h"

namespace rdpipe {
namespace {

constexpr auto kPatience = std::chrono::seconds(1);  // for one question: what was lost is asked again
constexpr auto kResolution = std::chrono::seconds(3);

// One question under way.
class Question {
 public:
  Question(Loop& loop, const FabricOptions& options, const std::string& name)
      : loop_(loop),
        options_(options),
        said_(encode_question(name)),
        id_(channel_, PortSpace::kUdp),
        watch_(loop, channel_.fd()) {}

  [[nodiscard]] FoundEndpoint ask(const RdmaRoute& route, Deadline deadline, const Meanwhile& meanwhile);

 private:
  void follow(const ConnectionEvent& event);
  void started(int error);
  void request();
  void learn(const ConnectionEvent& answer);
  void end(Asked outcome, std::string cause);

  Loop& loop_;
  const FabricOptions& options_;
  std::vector<std::byte> said_;
  EventChannel channel_;
  ConnectionId id_;
  Watch watch_;
  Clock::time_point sent_{};
  bool asking_ = false;
  bool over_ = false;
  FoundEndpoint found_;
};

FoundEndpoint Question::ask(const RdmaRoute& route, Deadline deadline, const Meanwhile& meanwhile) {
  found_.cause = "no answer";
  started(id_.resolve_address(route.local ? route.local->get() : nullptr, route.remote.get(), kResolution));
  while (!over_) {
    const auto event = channel_.take();
    if (event) {
      follow(*event);
      continue;
    }
    if (deadline.passed()) break;
    watch_.arm(POLLIN);
    loop_.wait(deadline);
    if (meanwhile) meanwhile();
  }
  return std::move(found_);
}

void Question::end(Asked outcome, std::string cause) {
  over_ = true;
  found_.outcome = outcome;
  found_.cause = std::move(cause);
}

void Question::started(int error) {
  if (error == 0) return;
  end(Asked::kNoRoute, error == ENODEV ? "no RDMA device has a route there" : errno_text(error));
}

void Question::follow(const ConnectionEvent& event) {
  switch (event.kind) {
    case ConnectionEventKind::kAddressResolved:
      if (!rdma_allows(options_, id_) || id_.is_iwarp()) {
        return end(Asked::kNoRoute, fmt::format("the route there is over {}{}", id_.device_name(),
                                                id_.is_iwarp() ? ": iWARP has no datagrams" : ""));
      }
      found_.port = {.device = id_.device_name(), .number = id_.device_port()};
      return started(id_.resolve_route(kResolution));
    case ConnectionEventKind::kRouteResolved:
      return request();
    case ConnectionEventKind::kEstablished:
      return learn(event);
    case ConnectionEventKind::kFailed:
      if (asking_) found_.round_trip = Clock::now() - sent_;
      if (!asking_) return end(Asked::kNoRoute, event.cause);
      if (!event.refused) return end(Asked::kSilence, event.cause);
      return end(event.error == ENOENT ? Asked::kNoName : Asked::kNoOne, event.cause);
    case ConnectionEventKind::kDeviceRemoved:
      return end(Asked::kNoRoute, "the RDMA device has gone");
    default:
      return;
  }
}

void Question::request() {
  sent_ = Clock::now();
  asking_ = true;
  started(id_.connect(said_));
}

void Question::learn(const ConnectionEvent& answer) {
  found_.round_trip = Clock::now() - sent_;
  const auto said = decode_answer(answer.private_data);
  if (!said) return end(Asked::kNoName, "what answers there is no rdpipe of this version");
  found_.address = {.path = answer.path, .queue_pair = answer.queue_pair, .key = said->key};
  found_.endpoints = said->endpoints;
  found_.max_payload = said->max_payload;
  end(Asked::kFound, {});
}

std::string text_of(const GidAddress& gid) {
  std::array<char, NI_MAXHOST> text{};
  const auto* address = reinterpret_cast<const sockaddr*>(&gid.address);
  const int error =
      ::getnameinfo(address, sizeof gid.address, text.data(), text.size(), nullptr, 0, NI_NUMERICHOST);
  return error == 0 ? text.data() : std::string();
}

// An equal part of the time that is left.
Deadline share_of(Deadline deadline, std::size_t parts) {
  if (deadline.is_never()) return deadline;
  return Deadline::in(deadline.remaining() / static_cast<std::int64_t>(parts));
}

}  // namespace

struct NameServer::State {
  Loop& loop;
  FabricOptions options;
  std::vector<RdmaRoute> routes;
};

NameServer::NameServer(Loop& loop, const PeerAddress& peer, const FabricOptions& options, Deadline deadline)
    : state_(new State{loop, options, {}}) {
  const std::string attempt = "reach " + endpoint_text(peer) + " over RDMA";
  std::string why_not;
  if (!rdma_available(options, why_not)) throw Error(Status::kEndpoint, attempt, why_not);
  const auto routes = std::make_shared<std::vector<RdmaRoute>>();
  Operation looking;
  const auto job = [peer, options, routes]() -> std::int64_t {
    *routes = rdma_routes(peer, options);
    return 0;
  };
  loop.run(looking, job, Abandon::kDetach);
  while (!looking.done()) {
    if (deadline.passed()) throw Error(Status::kConnectTimeout, attempt, "the name service is silent");
    loop.wait(deadline);
  }
  looking.take();
  state_->routes = std::move(*routes);
}

NameServer::NameServer(NameServer&&) noexcept = default;
NameServer::~NameServer() = default;

FoundEndpoint NameServer::ask(const std::string& name, Deadline deadline, const Meanwhile& meanwhile) {
  auto& routes = state_->routes;
  FoundEndpoint best;
  best.outcome = Asked::kNoRoute;
  for (std::size_t i = 0; i < routes.size(); ++i) {
    const std::size_t left = routes.size() - i;
    const Deadline until = left == 1 ? deadline : share_of(deadline, left).earlier(Deadline::in(kPatience));
    FoundEndpoint found = Question(state_->loop, state_->options, name).ask(routes[i], until, meanwhile);
    if (found.answered()) {
      routes = {routes[i]};
      return found;
    }
    if (i == 0 || found.outcome < best.outcome) best = std::move(found);
  }
  return best;
}

FoundEndpoint find_endpoint(Loop& loop, const EndpointName& name, const FabricOptions& options,
                            Deadline deadline, const Meanwhile& meanwhile) {
  NameServer server(loop, name.peer, options, deadline);
  for (;;) {
    FoundEndpoint found = server.ask(name.name, deadline.earlier(Deadline::in(kPatience)), meanwhile);
    if (found.outcome == Asked::kFound) return found;
    const std::string attempt = "find " + printable(text_of(name)) + " over RDMA";
    if (found.outcome != Asked::kSilence) throw Error(Status::kEndpoint, attempt, found.cause);
    if (deadline.passed()) throw Error(Status::kConnectTimeout, attempt, found.cause);
  }
}

// IPv4's where it listens on both.
std::string host_of(const DevicePort& port, const FabricOptions& options) {
  if (!options.address.empty()) return options.address;
  for (const auto family : {AddressFamily::kIpv4, AddressFamily::kIpv6}) {
    if (options.family != AddressFamily::kAny && options.family != family) continue;
    for (const GidAddress& gid : gid_addresses(port.device)) {
      const bool fits = gid.address.ss_family == (family == AddressFamily::kIpv4 ? AF_INET : AF_INET6);
      if (gid.port != port.number || !fits) continue;
      if (options.gid_index >= 0 ? gid.index != options.gid_index : gid.link_local) continue;
      if (auto text = text_of(gid); !text.empty()) return text;
    }
  }
  std::array<char, NI_MAXHOST> own{};
  return ::gethostname(own.data(), own.size() - 1) == 0 ? own.data() : "localhost";
}

DevicePort usable_port(const FabricOptions& options) {
  const std::string attempt = "choose an RDMA device for datagrams";
  std::string why_not;
  if (!rdma_available(options, why_not)) throw Error(Status::kEndpoint, attempt, why_not);
  if (!options.address.empty()) {
    EventChannel channel;
    ConnectionId id(channel, PortSpace::kUdp);
    const SocketAddress local = resolve({options.address, "0"}, options.family, Purpose::kBind).front();
    check_value(id.bind(local.get()), Status::kEndpoint, attempt + " with the address " + options.address);
    return {.device = id.device_name(), .number = id.device_port()};
  }
  for (const std::string& name : rdma_allowed_devices(options)) {
    if (is_iwarp(name)) continue;
    const Device device(name);
    for (std::uint8_t number = 1; number <= device.ports(); ++number) {
      if (device.port(number).active) return {.device = name, .number = number};
    }
  }
  throw Error(Status::kEndpoint, attempt, "none has a port that is up");
}

}  // namespace rdpipe
