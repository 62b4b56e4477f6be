// Datagrams (libibverbs), owned: an opened device, and an unreliable datagram (UD) queue pair with a
// completion queue for each direction. Work requests are posted many at a time, as one chain with one
// doorbell. Each must go before what it was made from. All belong to one thread; none sleeps.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "verbs/address_handle.h"
#include "verbs/device.h"
#include "verbs/queue.h"

struct ibv_qp;

namespace rdpipe {

// A port of a device, and what it is.
struct DevicePort {
  std::string device;
  std::uint8_t number = 1;
  bool operator==(const DevicePort&) const = default;
};

// A context of its own: endpoints do not meet in it.
class Device {
 public:
  explicit Device(const std::string& name);  // throws Error{kEndpoint}
  [[nodiscard]] ibv_context* get() const noexcept { return context_.get(); }

  struct Port {
    bool active = false;
    bool ethernet = false;  // RoCE: every path is global
    std::uint16_t lid = 0;
    std::size_t mtu = 0;  // bytes of payload in a packet
  };
  [[nodiscard]] Port port(std::uint8_t number) const;  // throws Error{kNetwork}

  [[nodiscard]] std::uint8_t ports() const;  // their numbers begin with 1

  struct Identity {
    Gid gid{};
    std::uint8_t index = 0;
  };
  // The port's GIDs that datagrams may come from: for RoCE those of version 2.
  [[nodiscard]] std::vector<Identity> identities(std::uint8_t port) const;

 private:
  OpenDevice context_;
};

struct DatagramSend {
  std::uint64_t id = 0;
  ibv_ah* handle = nullptr;
  std::uint32_t queue_pair = 0, key = 0;  // the receiver's
  Segment segment;                        // not registered where it goes inline
  bool is_inline = false, signalled = false;
};

struct DatagramReceived {
  std::uint64_t id = 0;
  CompletionStatus status{};
  std::uint32_t length = 0;               // bytes, with the global header's room
  std::uint32_t queue_pair = 0, key = 0;  // the sender's
  std::uint16_t lid = 0;
  std::uint8_t service_level = 0;
  bool has_header = false;  // the global header's room is filled
};

constexpr std::size_t kLongestChain = 64;  // work requests under one doorbell

struct DatagramDepths {
  std::size_t sends = 0, receives = 0;
  std::size_t inline_bytes = 0;  // wanted; the device may give less
};

class DatagramQueuePair {
 public:
  // `key`: what a sender must say (Q_Key), below 2^31; it travels with each datagram, so that it can be
  // answered. Throws Error{kMemory}, Error{kNetwork}.
  DatagramQueuePair(const Device& device, const ProtectionDomain& domain, std::uint8_t port,
                    DatagramDepths depths, std::uint32_t key);
  DatagramQueuePair(const DatagramQueuePair&) = delete;
  DatagramQueuePair& operator=(const DatagramQueuePair&) = delete;
  ~DatagramQueuePair();  // after it the device touches no posted memory any more

  // At most kLongestChain; throws Error{kNetwork} where the device takes nothing more.
  void post_sends(std::span<const DatagramSend> sends);
  void post_receives(std::span<const Segment> segments, std::span<const std::uint64_t> ids);

  // Take completions that are there; return how many.
  [[nodiscard]] std::size_t take_received(std::span<DatagramReceived> into);
  [[nodiscard]] std::size_t take_sent(std::span<Completion> into) { return sent_.take(into); }
  [[nodiscard]] CompletionQueue& sent() noexcept { return sent_; }
  [[nodiscard]] CompletionQueue& received() noexcept { return received_; }

  // To the error state: what is posted and not carried out yet is flushed.
  void stop();
  // Back to work: whatever was posted is forgotten, as are the completions that were not taken. Its number
  // stays.
  void restart();

  [[nodiscard]] std::uint32_t number() const noexcept;
  [[nodiscard]] std::uint32_t key() const noexcept { return key_; }
  [[nodiscard]] std::size_t inline_bytes() const noexcept { return inline_bytes_; }

 private:
  void begin();

  std::uint8_t port_;
  std::uint32_t key_;
  std::size_t inline_bytes_ = 0;
  CompletionQueue sent_, received_;
  ibv_qp* queue_pair_ = nullptr;
};

}  // namespace rdpipe
