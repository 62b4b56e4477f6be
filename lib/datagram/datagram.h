// An endpoint of datagrams: one unreliable datagram queue pair that sends to many peers and receives from all
// who know its address. Datagrams may be lost, and come in another order; they never come in part, nor with
// other bytes than were sent. They are neither authenticated nor encrypted: whoever is on the network and
// guesses queue pair and key may send, and whoever is on its path may read and alter.
//
// An endpoint belongs to one thread, as does its loop; each thread of a program has one of its own, all on
// one device. Posts are many at a time with one doorbell.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "datagram/address.h"
#include "ground/deadline.h"
#include "io/busy_poll.h"
#include "io/loop.h"
#include "verbs/datagram_queue.h"

namespace rdpipe {

struct DatagramOptions {
  DevicePort port;                         // as find_endpoint() or usable_port() say
  std::size_t max_payload = 0;             // bytes; 0: what a packet of the port holds, which is the most
  std::size_t sends = 256;                 // under way at once; fewer where memory may not be pinned
  std::size_t receives = 512;              // room for bursts that come before they are taken
  std::size_t paths = 1024;                // address handles kept
  std::optional<Nanoseconds> busy_poll{};  // as io/busy_poll.h says
};

struct OutgoingDatagram {
  const DatagramAddress* to = nullptr;
  std::span<const std::byte> payload;
};

struct IncomingDatagram {
  DatagramAddress from;  // answers go there
  std::span<std::byte> payload;
};

// What an endpoint is known by where its device is known.
struct DatagramIdentity {
  std::uint32_t queue_pair = 0, key = 0;
  std::size_t max_payload = 0;  // bytes
  bool operator==(const DatagramIdentity&) const = default;
};

struct DatagramCounts {
  std::uint64_t sent = 0;         // handed to the device
  std::uint64_t send_errors = 0;  // of these, those that it may not have sent
  std::uint64_t unreachable = 0;  // not handed to it: the path leads nowhere, or that is not known yet
  std::uint64_t received = 0;
  std::uint64_t receive_errors = 0;
  std::uint64_t foreign = 0;    // received from no endpoint of this kind, and dropped
  std::uint64_t ran_empty = 0;  // times that all receives were used up: more may have come, and been lost
  std::uint64_t restarts = 0;   // of the queue pair, after errors
};

class __attribute__((visibility("default"))) Datagram {
 public:
  // Throws Error{kEndpoint} for a device that is not there or has no datagrams, Error{kNetwork},
  // Error{kMemory} where not even a small endpoint's memory may be pinned.
  Datagram(Loop& loop, const DatagramOptions& options);
  Datagram(const Datagram&) = delete;
  Datagram& operator=(const Datagram&) = delete;
  ~Datagram();  // sends that flush() has not awaited may be lost

  // Takes as many as there is room for and returns how many; never sleeps, but for a peer's first datagram,
  // while the kernel looks for the host: a quarter of a second at most, and at most a tenth of the time. The
  // payloads are the caller's again at once. Those that could not be sent are counted, and are lost like
  // those that the network loses. Throws Error{kUsage} for a payload above max_payload(); one that is
  // empty is not received.
  std::size_t send_burst(std::span<const OutgoingDatagram> datagrams);
  // Sleeps until there is room for one. False when there is none by then, or for no reason.
  bool await_room(Deadline deadline);
  // Sleeps until the device has sent everything. False when it has not.
  bool flush(Deadline deadline);

  // Takes what has come, up to the span's size; sleeps where there is nothing. Returns 0 at the deadline, and
  // sometimes, as when the loop was notified, before it. Payloads are valid, and may be written to, until the
  // next call.
  std::size_t receive_burst(std::span<IncomingDatagram> into, Deadline deadline);

  [[nodiscard]] std::size_t max_payload() const noexcept;  // bytes
  [[nodiscard]] DatagramIdentity identity() const;         // for a NameListener
  [[nodiscard]] const DatagramCounts& counts() const noexcept;
  [[nodiscard]] std::size_t known_paths() const noexcept;

 private:
  friend struct DatagramTests;
  void fail();  // as the device does after an error

  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rdpipe
