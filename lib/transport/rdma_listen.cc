#include <fmt/format.h>
#include <poll.h>

#include <cerrno>
#include <functional>
#include <list>
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

constexpr int kBacklog = 256;
constexpr std::size_t kMostHalfOpen = 64;  // with 40 KiB pinned each
constexpr int kRequestsInARow = 16;        // whoever floods the listener must not keep the thread
constexpr auto kPatience = std::chrono::seconds(10);

class RdmaAcceptor final : public Acceptor {
 public:
  RdmaAcceptor(Loop& loop, const std::string& port, const FabricOptions& options,
               std::function<void(const std::string&)> notice);

  [[nodiscard]] std::unique_ptr<Link> poll() override;
  [[nodiscard]] std::uint16_t port() const override { return id_.local_port(); }
  [[nodiscard]] std::string describe() const override {
    return fmt::format("RDMA ({})", fmt::join(rdma_allowed_devices(options_), ", "));
  }

 private:
  // Accepted, but the connector has not confirmed yet.
  struct HalfOpen {
    HalfOpen(Loop& loop, std::unique_ptr<RdmaEndpoint> from)
        : endpoint(std::move(from)), watch(loop, endpoint->channel().fd()), until(Deadline::in(kPatience)) {
      watch.arm(POLLIN);
    }
    std::unique_ptr<RdmaEndpoint> endpoint;
    Watch watch;
    Deadline until;
  };
  enum class Progress : std::uint8_t { kWaiting, kEstablished, kGone };

  [[nodiscard]] int try_listen(const SocketAddress& address);
  void take_requests();
  void admit(ConnectionEvent request);
  [[nodiscard]] static Progress advance(HalfOpen& half);
  void drop_the_late();

  Loop& loop_;
  FabricOptions options_;
  std::function<void(const std::string&)> notice_;  // empty once it was told
  EventChannel channel_;
  ConnectionId id_;
  std::list<HalfOpen> half_open_;  // the oldest first
  std::optional<Watch> requests_;
  bool admitted_any_ = false;
};

RdmaAcceptor::RdmaAcceptor(Loop& loop, const std::string& port, const FabricOptions& options,
                           std::function<void(const std::string&)> notice)
    : loop_(loop), options_(options), notice_(std::move(notice)) {
  int error = EADDRNOTAVAIL;
  for (const SocketAddress& address : rdma_listen_addresses(port, options)) {
    error = try_listen(address);
    if (error == 0 || error == EADDRINUSE) break;
  }
  if (error != 0) {
    const bool taken = error == EADDRINUSE || error == EACCES;
    throw Error(
        taken ? Status::kNetwork : Status::kEndpoint,
        fmt::format("listen on port {} over RDMA", printable(port)), errno_text(error),
        error == EADDRINUSE ? "another program listens there: choose another port, or 0 for a free one" : "");
  }
  requests_.emplace(loop_, channel_.fd());
  requests_->arm(POLLIN);
}

int RdmaAcceptor::try_listen(const SocketAddress& address) {
  id_ = ConnectionId(channel_);
  return rdma_listen_at(id_, address, options_, kBacklog);
}

std::unique_ptr<Link> RdmaAcceptor::poll() {
  if (!requests_->armed()) take_requests();
  drop_the_late();
  for (auto half = half_open_.begin(); half != half_open_.end();) {
    const Progress progress = advance(*half);
    if (progress == Progress::kWaiting) {
      ++half;
      continue;
    }
    std::unique_ptr<RdmaEndpoint> endpoint;
    if (progress == Progress::kEstablished) endpoint = std::move(half->endpoint);
    half = half_open_.erase(half);
    if (endpoint) return std::make_unique<RdmaLink>(loop_, std::move(endpoint), options_.keep_alive);
  }
  if (!half_open_.empty()) loop_.wake_at(half_open_.front().until);
  return {};
}

void RdmaAcceptor::take_requests() {
  for (int i = 0; i < kRequestsInARow; ++i) {
    auto event = channel_.take();
    if (!event) return requests_->arm(POLLIN);
    if (event->kind == ConnectionEventKind::kRequest) admit(std::move(*event));
  }
  loop_.wake_now();
}

// Whatever is wrong with one request is no matter of the listener's, unless it has no memory to accept even
// the first: later it may be that strangers hold the memory, who will go.
void RdmaAcceptor::admit(ConnectionEvent event) {
  const auto scratch = decode_greeting(event.private_data);
  if (!scratch || !rdma_allows(options_, event.request)) return event.request.reject();
  try {
    auto channel = std::make_unique<EventChannel>();
    ConnectionId id = std::move(event.request);  // goes before its channel
    if (id.migrate(*channel) != 0) return;
    auto endpoint = std::make_unique<RdmaEndpoint>(std::move(channel), std::move(id), options_.keep_alive);
    endpoint->set_peer_scratch(*scratch);
    if (endpoint->accept() != 0) return;
    if (half_open_.size() == kMostHalfOpen) half_open_.pop_front();
    half_open_.emplace_back(loop_, std::move(endpoint));
    admitted_any_ = true;
  } catch (const Error& error) {
    if (error.status() != Status::kMemory || admitted_any_) return;
    if (demands_rdma(options_)) throw;
    if (const auto notice = std::exchange(notice_, nullptr)) notice(text_with_hint(error));
  }
}

RdmaAcceptor::Progress RdmaAcceptor::advance(HalfOpen& half) {
  while (!half.watch.armed()) {
    const auto event = half.endpoint->channel().take();
    if (!event) {
      half.watch.arm(POLLIN);
      return Progress::kWaiting;
    }
    if (event->kind == ConnectionEventKind::kEstablished) return Progress::kEstablished;
    if (event->kind != ConnectionEventKind::kOther) return Progress::kGone;
  }
  return Progress::kWaiting;
}

void RdmaAcceptor::drop_the_late() {
  while (!half_open_.empty() && half_open_.front().until.passed()) half_open_.pop_front();
}

}  // namespace

std::unique_ptr<Acceptor> listen_rdma(Loop& loop, const std::string& port, const FabricOptions& options,
                                      std::function<void(const std::string&)> notice) {
  return std::make_unique<RdmaAcceptor>(loop, port, options, std::move(notice));
}

}  // namespace rdpipe
