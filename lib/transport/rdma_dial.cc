#include <fmt/format.h>
#include <poll.h>

#include <cerrno>
#include <memory>
#include <utility>
#include <vector>

#include "ground/error.h"
#include "transport/dial.h"
#include "transport/rdma_endpoint.h"
#include "transport/rdma_link.h"
#include "transport/rdma_route.h"

namespace rdpipe {
namespace {

// For one address of several. rdma_cm alone would go on asking a host without RDMA for a minute.
constexpr auto kPatience = std::chrono::seconds(3);

// What no further try can change, as long as this host stays as it is.
bool is_final(int error) {
  return error == ENODEV || error == EADDRNOTAVAIL || error == EAFNOSUPPORT || error == EINVAL;
}

class RdmaDial final : public Dial {
 public:
  RdmaDial(Loop& loop, const PeerAddress& peer, const FabricOptions& options);
  std::unique_ptr<Link> poll() override;

 private:
  void try_route(const RdmaRoute& route);
  [[nodiscard]] std::unique_ptr<Link> advance();
  [[nodiscard]] bool follow(const ConnectionEvent& event);
  void resolve_route();
  void request_connection();
  [[nodiscard]] std::unique_ptr<Link> make_link(std::span<const std::byte> private_data);
  void started(int error);
  void fail(int error, const std::string& cause);
  [[nodiscard]] EventChannel& channel() { return endpoint_ ? endpoint_->channel() : *channel_; }

  Loop& loop_;
  FabricOptions options_;
  std::string attempt_;  // "connect to host:port over RDMA"
  Operation resolving_;
  std::shared_ptr<std::vector<RdmaRoute>> routes_ = std::make_shared<std::vector<RdmaRoute>>();
  std::size_t next_ = 0;  // of *routes_
  bool trying_ = false;
  std::unique_ptr<EventChannel> channel_;   // until the endpoint has it
  ConnectionId id_;                         // likewise
  std::unique_ptr<RdmaEndpoint> endpoint_;  // from the route's resolution on
  std::optional<Watch> watch_;
  Deadline patience_ = Deadline::never();
  Error last_{Status::kEndpoint, "", ""};
};

RdmaDial::RdmaDial(Loop& loop, const PeerAddress& peer, const FabricOptions& options)
    : loop_(loop), options_(options), attempt_("connect to " + endpoint_text(peer) + " over RDMA") {
  const auto job = [peer, options, routes = routes_]() -> std::int64_t {
    *routes = rdma_routes(peer, options);
    return 0;
  };
  loop_.run(resolving_, job, Abandon::kDetach);
}

std::unique_ptr<Link> RdmaDial::poll() {
  if (resolving_.pending()) return {};
  if (resolving_.done()) resolving_.take();
  for (;;) {
    if (trying_) {
      if (auto link = advance()) return link;
      if (trying_) return {};
    }
    if (next_ == routes_->size()) throw last_;
    try_route((*routes_)[next_++]);
  }
}

void RdmaDial::try_route(const RdmaRoute& route) {
  watch_.reset();
  endpoint_.reset();
  id_ = ConnectionId();
  channel_ = std::make_unique<EventChannel>();
  id_ = ConnectionId(*channel_);
  watch_.emplace(loop_, channel_->fd());
  watch_->arm(POLLIN);
  patience_ = Deadline::in(kPatience);
  trying_ = true;
  started(id_.resolve_address(route.local ? route.local->get() : nullptr, route.remote.get(), kPatience));
}

// Nothing and still trying: the caller may sleep.
std::unique_ptr<Link> RdmaDial::advance() {
  while (trying_ && !watch_->armed()) {
    const auto event = channel().take();
    if (!event) {
      watch_->arm(POLLIN);
    } else if (follow(*event)) {
      return make_link(event->private_data);
    }
  }
  if (trying_ && patience_.passed()) fail(ETIMEDOUT, errno_text(ETIMEDOUT));
  if (trying_) loop_.wake_at(patience_);
  return nullptr;
}

// True when the connection is established.
bool RdmaDial::follow(const ConnectionEvent& event) {
  switch (event.kind) {
    case ConnectionEventKind::kAddressResolved:
      resolve_route();
      return false;
    case ConnectionEventKind::kRouteResolved:
      request_connection();
      return false;
    case ConnectionEventKind::kEstablished:
      return true;
    case ConnectionEventKind::kFailed:
      fail(event.error, event.cause);
      return false;
    case ConnectionEventKind::kDisconnected:
    case ConnectionEventKind::kDeviceRemoved:
      fail(ECONNRESET, errno_text(ECONNRESET));
      return false;
    default:
      return false;
  }
}

void RdmaDial::resolve_route() {
  const std::string device = id_.device_name();
  if (!rdma_allows(options_, id_)) {
    const std::string why_not =
        options_.device.empty() ? "which is iWARP" : "not " + printable(options_.device);
    return fail(ENODEV, fmt::format("the route there is over {}, {}", device, why_not));
  }
  started(id_.resolve_route(kPatience));
}

void RdmaDial::request_connection() {
  endpoint_ = std::make_unique<RdmaEndpoint>(std::move(channel_), std::move(id_), options_.keep_alive);
  started(endpoint_->connect());
}

std::unique_ptr<Link> RdmaDial::make_link(std::span<const std::byte> private_data) {
  const auto scratch = decode_greeting(private_data);
  if (!scratch) throw Error(Status::kProtocol, attempt_, "what answers there is no rdpipe of this version");
  endpoint_->set_peer_scratch(*scratch);
  watch_.reset();
  return std::make_unique<RdmaLink>(loop_, std::move(endpoint_), options_.keep_alive);
}

void RdmaDial::started(int error) {
  if (error != 0) fail(error, error == ENODEV ? "no RDMA device has a route there" : errno_text(error));
}

// What may still come about outweighs what cannot.
void RdmaDial::fail(int error, const std::string& cause) {
  trying_ = false;
  const Status status = is_final(error) ? Status::kEndpoint : Status::kNetwork;
  if (status == Status::kEndpoint && last_.status() == Status::kNetwork) return;
  last_ = Error(status, attempt_, cause);
}

}  // namespace

std::unique_ptr<Dial> dial_rdma(Loop& loop, const PeerAddress& peer, const FabricOptions& options) {
  return std::make_unique<RdmaDial>(loop, peer, options);
}

}  // namespace rdpipe
