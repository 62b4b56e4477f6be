#include "datagram/name_listener.h"

#include <fmt/format.h>
#include <poll.h>

#include <cerrno>
#include <utility>

#include "ground/error.h"
#include "transport/address.h"
#include "transport/rdma_route.h"

namespace rdpipe {
namespace {

constexpr int kBacklog = 256;
constexpr int kAnswersInARow = 64;  // whoever floods the port must not keep the thread

}  // namespace

NameListener::NameListener(Loop& loop, const std::string& port, const FabricOptions& options,
                           DevicePort device)
    : loop_(loop), device_(std::move(device)), watch_(loop, channel_.fd()) {
  int error = EADDRNOTAVAIL;
  for (const SocketAddress& address : rdma_listen_addresses(port, options)) {
    error = try_listen(address, options);
    if (error == 0 || error == EADDRINUSE) break;
  }
  if (error != 0) {
    throw Error(error == EADDRINUSE || error == EACCES ? Status::kNetwork : Status::kEndpoint,
                fmt::format("answer for names on port {} over RDMA", printable(port)), errno_text(error),
                error == EADDRINUSE ? "another program does: choose another port, or 0 for a free one" : "");
  }
  watch_.arm(POLLIN);
}

NameListener::~NameListener() = default;

std::uint16_t NameListener::port() const { return id_.local_port(); }

int NameListener::try_listen(const SocketAddress& address, const FabricOptions& options) {
  id_ = ConnectionId(channel_, PortSpace::kUdp);
  return rdma_listen_at(id_, address, options, kBacklog);
}

void NameListener::add(const std::string& name, const DatagramIdentity& endpoint) {
  endpoints_[name] = endpoint;
}

void NameListener::remove(const std::string& name) { endpoints_.erase(name); }

void NameListener::poll() {
  if (watch_.armed()) return;
  for (int i = 0; i < kAnswersInARow; ++i) {
    auto event = channel_.take();
    if (!event) return watch_.arm(POLLIN);
    if (event->kind == ConnectionEventKind::kRequest) answer(std::move(*event));
  }
  loop_.wake_now();
}

const DatagramIdentity* NameListener::find(const std::string& name) {
  if (!name.empty()) {
    const auto found = endpoints_.find(name);
    return found == endpoints_.end() ? nullptr : &found->second;
  }
  auto next = endpoints_.upper_bound(last_);
  if (next == endpoints_.end()) next = endpoints_.begin();
  if (next == endpoints_.end()) return nullptr;
  last_ = next->first;
  return &next->second;
}

// The id of who asked goes at once: an answer that is lost is asked for again.
void NameListener::answer(ConnectionEvent question) {
  const auto name = decode_question(question.private_data);
  const bool here =
      question.request.device_name() == device_.device && question.request.device_port() == device_.number;
  const DatagramIdentity* endpoint = name && here ? find(*name) : nullptr;
  if (endpoint == nullptr) return question.request.reject();
  const auto said = encode_answer({.key = endpoint->key,
                                   .max_payload = endpoint->max_payload,
                                   .endpoints = static_cast<std::uint16_t>(endpoints_.size())});
  if (question.request.answer(endpoint->queue_pair, said) == 0) ++answered_;
}

}  // namespace rdpipe
