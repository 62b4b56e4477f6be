// Connection management (librdmacm), owned. An EventChannel is a descriptor to sleep on and a queue of
// events; a ConnectionId is one end of a connection being made or made, or a listener. An id must go before
// its channel. All belong to one thread. Nothing here sleeps, but for the time the kernel needs.
#pragma once

#include <sys/socket.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "verbs/address_handle.h"

struct ibv_context;
struct rdma_cm_id;
struct rdma_event_channel;

namespace rdpipe {

class EventChannel;

// What a port is looked for among: TCP's makes connections; UDP's only answers, in one round trip, which
// queue pair datagrams go to (service id resolution, SIDR).
enum class PortSpace : std::uint8_t { kTcp, kUdp };

class ConnectionId {
 public:
  ConnectionId() = default;
  // Throws Error{kNetwork}, Error{kMemory}.
  explicit ConnectionId(EventChannel& channel, PortSpace space = PortSpace::kTcp);
  explicit ConnectionId(rdma_cm_id* id) noexcept : id_(id) {}
  ConnectionId(ConnectionId&& other) noexcept : id_(std::exchange(other.id_, nullptr)) {}
  ConnectionId& operator=(ConnectionId&& other) noexcept {
    std::swap(id_, other.id_);
    return *this;
  }
  ~ConnectionId();

  // Each of these starts something and returns 0, or the errno value that says why it could not. What becomes
  // of it is an event.
  [[nodiscard]] int bind(const sockaddr* local);
  [[nodiscard]] int listen(int backlog);
  [[nodiscard]] int resolve_address(const sockaddr* local_or_null, const sockaddr* peer,
                                    std::chrono::milliseconds limit);
  [[nodiscard]] int resolve_route(std::chrono::milliseconds limit);
  [[nodiscard]] int connect(std::span<const std::byte> private_data);  // TCP: with a queue pair; UDP: asks
  [[nodiscard]] int accept(std::span<const std::byte> private_data);   // with a queue pair
  [[nodiscard]] int answer(std::uint32_t queue_pair, std::span<const std::byte> private_data);  // UDP
  void reject() noexcept;
  // Moves the queue pair to its error state and tells the peer; answers the peer's disconnect likewise. Twice
  // does no harm.
  void disconnect() noexcept;
  // Later events come to `channel`. Every event of the channel before must have been taken.
  [[nodiscard]] int migrate(EventChannel& channel);

  // IPv6 listeners: 1 refuses IPv4. Before bind().
  void set_v6_only(bool on) noexcept;
  // The time a sent packet may wait for its acknowledgement before it is sent again, at most. Before the
  // queue pair is connected; where kernel or library do not offer it, theirs stays.
  void set_ack_timeout(std::chrono::nanoseconds limit) noexcept;

  [[nodiscard]] const sockaddr* local() const noexcept;
  [[nodiscard]] const sockaddr* peer() const noexcept;
  [[nodiscard]] std::uint16_t local_port() const noexcept;
  [[nodiscard]] ibv_context* device() const noexcept;  // null until the address is resolved
  [[nodiscard]] std::string device_name() const;       // empty where device() is null
  [[nodiscard]] std::uint8_t device_port() const noexcept;
  [[nodiscard]] bool is_iwarp() const noexcept;  // false where device() is null
  [[nodiscard]] rdma_cm_id* get() const noexcept { return id_; }
  explicit operator bool() const noexcept { return id_ != nullptr; }

 private:
  rdma_cm_id* id_ = nullptr;
};

enum class ConnectionEventKind : std::uint8_t {
  kAddressResolved,
  kRouteResolved,
  kRequest,      // to a listener: `request` is the new id, still on the listener's channel
  kEstablished,  // private_data is what the accepting end said
  kFailed,       // `cause` says why no connection came about; `refused` if the peer said no
  kDisconnected,
  kTimewaitExit,
  kDeviceRemoved,
  kOther,  // of no consequence to a connection
};

struct ConnectionEvent {
  ConnectionEventKind kind{};
  int error = 0;  // of kFailed: an errno value where there is one; ENOENT: a listener of UDP's has said no
  bool refused = false;
  std::string cause;
  ConnectionId request;
  std::vector<std::byte> private_data;  // may be longer than what was sent: padded with zeros
  // Of kEstablished in UDP's ports: where datagrams go.
  std::uint32_t queue_pair = 0;
  DatagramPath path;
};

class EventChannel {
 public:
  EventChannel();  // throws Error{kNetwork}: no rdma_cm on this host
  EventChannel(EventChannel&& other) noexcept : channel_(std::exchange(other.channel_, nullptr)) {}
  EventChannel& operator=(EventChannel&& other) noexcept {
    std::swap(channel_, other.channel_);
    return *this;
  }
  ~EventChannel();

  // The next event, already acknowledged; nothing when none is there. Throws Error{kNetwork}.
  [[nodiscard]] std::optional<ConnectionEvent> take();
  [[nodiscard]] int fd() const noexcept;  // non-blocking; readable when take() has something
  [[nodiscard]] rdma_event_channel* get() const noexcept { return channel_; }

 private:
  rdma_event_channel* channel_ = nullptr;
};

}  // namespace rdpipe
