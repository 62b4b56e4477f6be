// Whether the peer's device lives, concluded from what an RDMA link hears: the arithmetic alone, no device.
//
// It counts ticks, not time: a process that was stopped finds one tick passed, looks at what has come
// meanwhile, and draws no conclusion from its own absence. From kPingAfter silent ticks on something of this
// end's is always on its way, a ping where there is nothing else, so silence after that is the peer's.
//
// A network that loses many packets may need longer for one frame than a dead peer may take to be noticed.
// Then nothing of this end's completes, but the peer hears nothing either and pings; as it has one ping under
// way at a time, the next shows that this end's device has answered the one before. So a peer is alive where
// pings of it keep coming. They do not, or too rarely, where it has a stuck frame as well, is stopped, hears
// answers only after two ticks, or has a limit of more than one and a half times this one's. Where nothing of
// this end's arrives for six limits all the same, that is no loss any more but a path that takes no large
// packets.
#pragma once

#include <cstdint>

#include "ground/deadline.h"

namespace rdpipe {

class RdmaWatch {
 public:
  static constexpr unsigned kTicks = 12;      // in the keep-alive limit
  static constexpr unsigned kPingAfter = 2;   // silent ticks
  static constexpr unsigned kDeadAfter = 10;  // silent ticks: within the limit, also where pings have to tell
  static constexpr unsigned kStuckAfter = 6 * kTicks;  // ticks in which nothing of this end's arrives

  enum class Finding : std::uint8_t { kNothing, kPing, kDead, kStuck };

  explicit RdmaWatch(Nanoseconds limit) { set_limit(limit); }
  // The silence begins anew.
  void set_limit(Nanoseconds limit);

  void hear_frame() { heard_ = true; }               // of the peer
  void hear_arrival() { heard_ = arrived_ = true; }  // of something of this end's
  [[nodiscard]] Clock::time_point next_tick() const { return next_tick_; }
  // What is found at `now`; nothing before the next tick. `sending`: something of this end's is on its way.
  // `peer_pings`: how many of the peer's have arrived, modulo 256.
  [[nodiscard]] Finding look(Clock::time_point now, bool sending, std::uint8_t peer_pings);

 private:
  Nanoseconds tick_{};
  Clock::time_point next_tick_;
  unsigned silent_ = 0;                 // ticks
  unsigned stuck_ = 0;                  // ticks
  unsigned since_ping_ = 0;             // ticks, since the last of the peer was seen or the beginning
  std::uint8_t peer_pings_ = 0;         // at the last tick
  bool heard_ = true, arrived_ = true;  // since the last tick
};

}  // namespace rdpipe
