// One connection that moves slots: the narrow waist above which nobody names verbs or sockets. Frames arrive
// in the order in which they were posted, each exactly once, or the link throws. A lost link is an
// Error{kNetwork}, never an end.
//
// A link belongs to the thread of its loop. Nothing here sleeps: advance what can be advanced with poll(),
// and when it has nothing, sleep in Loop::wait(); the link has armed what wakes it.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "ground/deadline.h"
#include "ring/ring.h"
#include "wire/frame.h"

namespace rdpipe {

class Loop;

enum class Fabric : std::uint8_t { kRdma = 1, kTcp = 2, kLoopback = 3 };  // values as on the wire

[[nodiscard]] constexpr const char* fabric_name(Fabric fabric) {
  return fabric == Fabric::kRdma ? "RDMA" : fabric == Fabric::kTcp ? "TCP" : "local";
}

// A slot given to post_send() that the device has let go of.
struct Sent {
  Slot slot;
};
// A data or hole frame, in a slot given to post_receive(); slot.size() is the payload's length.
struct Received {
  Slot slot;
  FrameHeader header;
};
// The payload of a control frame: at most kMaxControlPayload bytes.
struct Control {
  std::vector<std::byte> bytes;
};
// The other end closed the connection, after everything it had posted, or (RDMA) its process has ended.
// Nothing follows. Whether that is a good end, END and BYE tell.
struct PeerClosed {};

using LinkEvent = std::variant<Sent, Received, Control, PeerClosed>;

// The oldest one that waits, if there is any.
[[nodiscard]] inline std::optional<LinkEvent> take_first(std::deque<LinkEvent>& events) {
  std::optional<LinkEvent> first;
  if (events.empty()) return first;
  first.emplace(std::move(events.front()));
  events.pop_front();
  return first;
}

// What a link can tell about itself, for people.
struct LinkInfo {
  Fabric fabric{};
  std::string device;      // "rxe0", "mlx5_0"; for TCP the interface's or an empty text
  std::string local;       // "10.0.0.1:12345", "[fe80::1%eth0]:12345"
  std::string peer;        // the same for the other end
  bool same_host = false;  // both addresses are this host's
};

// What a thread is going to sleep for.
enum class Wake : std::uint8_t {
  kAll,       // whatever poll() tells of
  kArrivals,  // what the peer sends; what was Sent poll() tells in passing
  kNever,     // it does not sleep, but asks again and again: nothing is armed
};

class Link {
 public:
  Link() = default;
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;
  virtual ~Link() = default;  // discards: posted slots go home to their ring, the peer sees a lost link

  // Lets the device reach `ring` (pins it, for RDMA). After authentication, before the first data slot; once
  // for each ring (in full duplex a ring for each direction, so that neither can starve the other). The ring
  // must outlive the link. Throws Error{kMemory} when memory cannot be pinned; the link is then as before,
  // and a smaller ring may be tried.
  virtual void attach(Ring& ring) = 0;
  // Undoes that, before anything was posted from `ring`.
  virtual void detach(Ring& /*ring*/) {}

  // Posts a data or hole frame: the slot's encoded header and its filled() payload. Only while send_credits()
  // > 0.
  virtual void post_send(Slot slot) = 0;
  // Grants the peer one data frame of up to slot_size bytes.
  virtual void post_receive(Slot slot) = 0;
  // Posts a control frame; `bytes` (1 to kMaxControlPayload) are copied. Never refused: what cannot go yet is
  // queued.
  virtual void post_control(std::span<const std::byte> bytes) = 0;

  // Data frames that post_send() takes now: what the peer has granted and the device has room for.
  [[nodiscard]] virtual std::size_t send_credits() const = 0;
  // True when everything posted, control and data, has left (RDMA: was acknowledged; TCP: is with the
  // kernel).
  [[nodiscard]] virtual bool drained() const = 0;

  // The next thing that has happened, after doing all the work that needs no waiting; nothing when the caller
  // may sleep. Throws Error{kNetwork} when the link is lost or the peer breaks the framing rules (then
  // kDamaged).
  [[nodiscard]] virtual std::optional<LinkEvent> poll() = 0;

  // What wakes the thread that sleeps after the next poll(); at first kAll. Whoever goes on with kNever says
  // so anew now and then, long before the keep-alive limit: the next poll() then looks at the clock.
  virtual void wake_for(Wake /*what*/) {}
  // True while something that was posted, or is due to the peer, goes on only in poll(): whoever does not
  // call it for long would keep the peer waiting.
  [[nodiscard]] virtual bool held_back() const { return false; }

  // True once poll() has given PeerClosed.
  [[nodiscard]] virtual bool peer_closed() const = 0;

  // Says that nothing more will be posted. What is posted still goes out; the peer then sees PeerClosed.
  // Events may still arrive. When this side sees PeerClosed after it, both ends are done.
  virtual void close() = 0;

  // From now on the link sleeps on `loop` (its thread's). Only while nothing but control frames was posted.
  virtual void move_to(Loop& loop) = 0;

  // How long a dead host or a cut cable may go unnoticed; 1 s to 1 h. The default is 10 s.
  virtual void set_keep_alive(Nanoseconds limit) = 0;

  [[nodiscard]] virtual const LinkInfo& info() const = 0;

  // Tries to connect that came to nothing before this one.
  [[nodiscard]] unsigned retries() const noexcept { return retries_; }
  void set_retries(unsigned count) noexcept { retries_ = count; }

 private:
  unsigned retries_ = 0;
};

}  // namespace rdpipe
