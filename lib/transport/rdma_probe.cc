#include "transport/rdma_probe.h"

#include <fmt/format.h>
#include <poll.h>

#include <cerrno>
#include <chrono>
#include <optional>
#include <utility>

#include "ground/error.h"
#include "transport/rdma_endpoint.h"
#include "transport/rdma_link.h"

namespace rdpipe {
namespace {

class Prober {
 public:
  Prober(Loop& loop, const FabricOptions& options, Deadline deadline)
      : loop_(loop), options_(options), deadline_(deadline) {
    watch_.emplace(loop, channel_->fd());
  }

  RdmaProbe run(const RdmaRoute& route) {
    if (resolve_address(route) && resolve_route() && ask()) found_.error = 0;
    return std::move(found_);
  }

 private:
  [[nodiscard]] std::chrono::milliseconds time_left() const {
    return std::chrono::duration_cast<std::chrono::milliseconds>(deadline_.remaining());
  }

  bool resolve_address(const RdmaRoute& route) {
    const int error =
        id_.resolve_address(route.local ? route.local->get() : nullptr, route.remote.get(), time_left());
    if (!await(RdmaStep::kAddress, error, ConnectionEventKind::kAddressResolved)) return false;
    found_.device = id_.device_name();
    const std::string text = socket_address(id_.local()).text();
    found_.local = text.substr(0, text.rfind(':'));
    if (rdma_allows(options_, id_)) return true;
    const std::string why_not =
        options_.device.empty() ? "which is iWARP" : "not " + printable(options_.device);
    return fail(ENODEV, fmt::format("the route there is over {}, {}", found_.device, why_not));
  }

  bool resolve_route() {
    return await(RdmaStep::kRoute, id_.resolve_route(time_left()), ConnectionEventKind::kRouteResolved);
  }

  bool ask() {
    endpoint_ = std::make_unique<RdmaEndpoint>(std::move(channel_), std::move(id_), options_.keep_alive);
    if (!await(RdmaStep::kConnection, endpoint_->connect(), ConnectionEventKind::kEstablished)) return false;
    if (const auto scratch = decode_greeting(private_data_)) {
      endpoint_->set_peer_scratch(*scratch);
      watch_.reset();
      found_.link = std::make_unique<RdmaLink>(loop_, std::move(endpoint_), options_.keep_alive);
    }
    return true;
  }

  // `error` is what starting the step has said.
  bool await(RdmaStep step, int error, ConnectionEventKind wanted) {
    found_.step = step;
    if (error != 0)
      return fail(error, error == ENODEV ? "no RDMA device has a route there" : errno_text(error));
    while (!deadline_.passed()) {
      watch_->arm(POLLIN);
      loop_.wait(deadline_);
      while (auto event = channel().take()) {
        if (event->kind == wanted) {
          private_data_ = std::move(event->private_data);
          return true;
        }
        found_.refused = event->refused;
        if (event->kind == ConnectionEventKind::kFailed) return fail(event->error, event->cause);
      }
    }
    return fail(ETIMEDOUT, "no answer");
  }

  bool fail(int error, std::string cause) {
    found_.error = error;
    found_.cause = std::move(cause);
    return false;
  }

  [[nodiscard]] EventChannel& channel() { return endpoint_ ? endpoint_->channel() : *channel_; }

  Loop& loop_;
  const FabricOptions& options_;
  Deadline deadline_;
  RdmaProbe found_;
  std::unique_ptr<EventChannel> channel_ = std::make_unique<EventChannel>();  // until the endpoint has it
  ConnectionId id_{*channel_};                                                // likewise
  std::unique_ptr<RdmaEndpoint> endpoint_;
  std::optional<Watch> watch_;
  std::vector<std::byte> private_data_;
};

}  // namespace

RdmaProbe probe_rdma(Loop& loop, const RdmaRoute& route, const FabricOptions& options, Deadline deadline) {
  return Prober(loop, options, deadline).run(route);
}

}  // namespace rdpipe
