// What moves bytes (libibverbs), owned: protection domain, memory regions, a completion queue with its
// channel, a queue pair. Each must go before what it was made from. All belong to one thread; none sleeps.
//
// Registering memory can fail for the limit on locked memory, which the user can raise: those constructors
// throw Error{kMemory} that says so.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

struct ibv_comp_channel;
struct ibv_context;
struct ibv_cq;
struct ibv_mr;
struct ibv_pd;
struct rdma_cm_id;

namespace rdpipe {

class ConnectionId;

class ProtectionDomain {
 public:
  explicit ProtectionDomain(ibv_context* device);
  ProtectionDomain(const ProtectionDomain&) = delete;
  ProtectionDomain& operator=(const ProtectionDomain&) = delete;
  ~ProtectionDomain();
  [[nodiscard]] ibv_pd* get() const noexcept { return domain_; }

 private:
  ibv_pd* domain_;
};

enum class Access : std::uint8_t { kLocal, kRemoteWrite };

// Memory that the device may reach: pinned while this lives.
class MemoryRegion {
 public:
  MemoryRegion(const ProtectionDomain& domain, std::span<std::byte> memory, Access access);
  MemoryRegion(MemoryRegion&& other) noexcept : region_(std::exchange(other.region_, nullptr)) {}
  MemoryRegion& operator=(MemoryRegion&& other) noexcept {
    std::swap(region_, other.region_);
    return *this;
  }
  ~MemoryRegion();

  [[nodiscard]] std::uint32_t local_key() const noexcept;
  [[nodiscard]] std::uint32_t remote_key() const noexcept;
  [[nodiscard]] bool holds(const std::byte* address) const noexcept;

 private:
  ibv_mr* region_;
};

enum class CompletionStatus : std::uint8_t {
  kSuccess,
  kFlushed,        // never carried out: the queue pair is down
  kTooLong,        // what came did not fit the receive
  kNoAnswer,       // the peer's device does not acknowledge
  kNoReceive,      // the peer had nothing posted, for long
  kRefusedByPeer,  // the peer's device refuses access or the request
  kOther,
};

struct Completion {
  std::uint64_t id = 0;  // of the work request
  CompletionStatus status{};
  std::uint32_t length = 0;  // bytes received
  int code = 0;              // the verbs' own status, for a text
};

[[nodiscard]] std::string completion_text(int code);
[[nodiscard]] CompletionStatus status_of(int code);

// Throws Error{kMemory}, with what to raise where the limit on locked memory may be the cause.
[[noreturn]] void throw_memory(int error, const std::string& attempt);

enum class Announce : std::uint8_t { kAll, kSolicited };

// A completion queue and the channel that announces its completions.
class CompletionQueue {
 public:
  CompletionQueue(ibv_context* device, std::size_t capacity);
  CompletionQueue(const CompletionQueue&) = delete;
  CompletionQueue& operator=(const CompletionQueue&) = delete;
  ~CompletionQueue();

  // Takes completions that are there; returns how many.
  [[nodiscard]] std::size_t take(std::span<Completion> into);
  // The next completion that comes from now on makes fd() readable, once. One that came before does not:
  // after this, take() again before sleeping. kSolicited: the next of what the peer sends, and no other.
  void announce(Announce what);
  // Takes the announcement off fd(). False when there was none.
  bool take_announcement();
  [[nodiscard]] int fd() const noexcept;  // non-blocking
  [[nodiscard]] ibv_cq* get() const noexcept { return queue_; }

 private:
  ibv_comp_channel* channel_;
  ibv_cq* queue_;
  unsigned unacknowledged_ =
      0;  // announcements: each acknowledgement costs a lock, so they are given in batches
};

// A stretch of registered memory.
struct Segment {
  std::byte* address = nullptr;
  std::size_t length = 0;
  std::uint32_t key = 0;  // local
};

struct QueueDepths {
  std::size_t sends = 0, receives = 0;  // work requests that may be posted at once
};

// A reliable connected queue pair on an id, of two segments a request, every request signalled. Small sends
// go inline where the device takes them so: it need not fetch them from memory.
class QueuePair {
 public:
  // Throws Error{kMemory}, or Error{kNetwork} for an id that is of no more use: who asked for the connection
  // has gone since.
  QueuePair(ConnectionId& id, const ProtectionDomain& domain, const CompletionQueue& completions,
            QueueDepths depths);
  QueuePair(const QueuePair&) = delete;
  QueuePair& operator=(const QueuePair&) = delete;
  ~QueuePair();  // after it the device touches no posted memory any more

  // Posting throws Error{kNetwork} where the device takes nothing more. What is sent is solicited: it is
  // announced to a peer that waits for nothing else.
  void post_send(std::uint64_t request, std::span<const Segment> segments);
  void post_receive(std::uint64_t request, std::span<const Segment> segments);
  void post_write(std::uint64_t request, const Segment& from, std::uint64_t remote_address,
                  std::uint32_t remote_key);

 private:
  [[nodiscard]] bool make(const ProtectionDomain& domain, const CompletionQueue& completions,
                          QueueDepths depths);

  rdma_cm_id* id_;
  std::size_t inline_bytes_;  // that a send may have to go inline
};

// The depths, or less where the device has not so many.
[[nodiscard]] QueueDepths allowed_depths(ibv_context* device, QueueDepths wanted);

}  // namespace rdpipe
