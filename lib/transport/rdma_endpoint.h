// One end of an RDMA connection that is being made: the id with an event channel of its own, the queue pair,
// and the memory for control frames, its small receives posted already. Becomes a link once it is
// established. Pins 40 KiB. One thread at a time, which may change between calls.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "ground/deadline.h"
#include "ground/units.h"
#include "transport/address.h"
#include "transport/rdma_credits.h"
#include "verbs/connection.h"
#include "verbs/queue.h"
#include "wire/frame.h"

namespace rdpipe {

constexpr std::size_t kControlSends = 16;  // control, credit and pad frames on their way at once
constexpr std::size_t kControlSlotSize = kFrameHeaderSize + kMaxControlPayload;
// What an endpoint pins: its control frames, and the page that the peer may write to.
constexpr std::size_t kEndpointPinned =
    round_up((kSmallReceives + kControlSends) * kControlSlotSize, kPageSize) + kPageSize;

// Where the peer lets this end write one byte, to see whether its device answers, and to be heard itself.
struct ScratchByte {
  std::uint64_t address = 0;
  std::uint32_t key = 0;
};

// What each end says of itself in the connection manager's private data: magic u32, version u16, small
// receives u16, key u32 and address u64 of the scratch byte, zero u32; big-endian.
[[nodiscard]] std::vector<std::byte> encode_greeting(ScratchByte scratch);
// Nothing for what is no rdpipe of this version.
[[nodiscard]] std::optional<ScratchByte> decode_greeting(std::span<const std::byte> private_data);

// Anonymous pages.
class PageMemory {
 public:
  explicit PageMemory(std::size_t bytes);  // throws Error{kMemory}
  PageMemory(const PageMemory&) = delete;
  PageMemory& operator=(const PageMemory&) = delete;
  ~PageMemory();
  [[nodiscard]] std::span<std::byte> bytes() const noexcept { return bytes_; }

 private:
  std::span<std::byte> bytes_;
};

class RdmaEndpoint {
 public:
  // Takes an id whose device is known. Throws Error{kMemory}, Error{kNetwork}.
  RdmaEndpoint(std::unique_ptr<EventChannel> channel, ConnectionId id, Nanoseconds keep_alive);
  ~RdmaEndpoint();

  [[nodiscard]] int connect() { return id_.connect(greeting()); }
  [[nodiscard]] int accept() { return id_.accept(greeting()); }
  void set_peer_scratch(ScratchByte scratch) { peer_scratch_ = scratch; }

  [[nodiscard]] EventChannel& channel() { return *channel_; }
  [[nodiscard]] ConnectionId& id() { return id_; }
  [[nodiscard]] ProtectionDomain& domain() { return domain_; }
  [[nodiscard]] CompletionQueue& completions() { return completions_; }
  [[nodiscard]] QueueDepths depths() const { return depths_; }
  [[nodiscard]] QueuePair& queue() { return *queue_; }

  // kControlSlotSize bytes each.
  [[nodiscard]] Segment small_receive(std::size_t index) const;  // 0 to kSmallReceives - 1
  [[nodiscard]] Segment control_send(std::size_t index) const;   // 0 to kControlSends - 1
  void post_small_receive(std::size_t index);
  // Writes one byte of the peer's: the count of this end's pings. One at a time.
  void post_ping(std::uint64_t request);
  // The peer's pings that have arrived, modulo 256.
  [[nodiscard]] std::uint8_t peer_pings() const noexcept;

  // Tells the peer and destroys the queue pair: from here on the device touches no slot.
  void shut_down() noexcept;

 private:
  [[nodiscard]] std::vector<std::byte> greeting() const;

  std::unique_ptr<EventChannel> channel_;
  ConnectionId id_;
  ProtectionDomain domain_;
  QueueDepths depths_;
  CompletionQueue completions_;
  PageMemory control_memory_, scratch_memory_;
  MemoryRegion control_region_;
  MemoryRegion scratch_region_;  // all that the peer may write
  ScratchByte peer_scratch_;
  std::uint8_t pings_ = 0;  // that were posted, modulo 256
  std::optional<QueuePair> queue_;
};

// What marks a completion as a receive's: other completions are sends'.
constexpr std::uint64_t kReceiveRequest = 1;
constexpr std::uint64_t kSendRequest = 2;

[[nodiscard]] SocketAddress socket_address(const sockaddr* from);

}  // namespace rdpipe
