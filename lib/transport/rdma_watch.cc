#include "transport/rdma_watch.h"

#include <algorithm>
#include <utility>

namespace rdpipe {

void RdmaWatch::set_limit(Nanoseconds limit) {
  tick_ = limit / kTicks;
  next_tick_ = Clock::now() + tick_;
  silent_ = stuck_ = 0;
}

RdmaWatch::Finding RdmaWatch::look(Clock::time_point now, bool sending, std::uint8_t peer_pings) {
  if (now < next_tick_) return Finding::kNothing;
  next_tick_ = now + tick_;
  ++silent_;
  ++since_ping_;
  if (std::exchange(peer_pings_, peer_pings) != peer_pings) {
    silent_ = std::min(silent_, std::exchange(since_ping_, 0));  // the one before was answered then
  }
  if (std::exchange(heard_, false)) silent_ = 0;
  stuck_ = std::exchange(arrived_, false) || !sending ? 0 : stuck_ + 1;
  if (sending && silent_ >= kDeadAfter) return Finding::kDead;
  if (stuck_ >= kStuckAfter) return Finding::kStuck;
  return !sending && silent_ >= kPingAfter ? Finding::kPing : Finding::kNothing;
}

}  // namespace rdpipe
