// How long to look again and again for what is waited for, before the sleep that would otherwise begin: what
// comes meanwhile is noticed without a wake-up, and costs a processor. No clock and no I/O, the arithmetic
// alone.
//
// A program may fix the time. Otherwise it adapts, as the kernel's halt polling for virtual machines does:
// there is a look while looks find something. After kPatience waits in a row in which nothing came so soon,
// only every kPause-th begins with a look. So who waits for something rare sleeps at once, and nobody looks
// while nothing is asked of him.
//
// Two ends that answer each other would both fall asleep when one is late once, and each find the other
// asleep from then on. So looks that have found something pay for a longer one now and then: kPrice for each.
#pragma once

#include <algorithm>
#include <optional>
#include <utility>

#include "ground/deadline.h"

namespace rdpipe {

class BusyPoll {
 public:
  static constexpr Nanoseconds kLook = std::chrono::microseconds(100);
  static constexpr Nanoseconds kLonger = std::chrono::microseconds(400);  // than it takes to wake a peer
  static constexpr unsigned kPatience = 8, kPause = 32;                   // waits
  static constexpr unsigned kPrice = 32, kMostSaved = 4 * kPrice;         // looks

  // `fixed`: for so long at every wait, 0 for never; nothing: it adapts.
  explicit BusyPoll(std::optional<Nanoseconds> fixed) : fixed_(fixed) {}

  // At the wait that begins; 0: none.
  [[nodiscard]] Nanoseconds look() const noexcept {
    if (fixed_) return *fixed_;
    return in_vain_ < kPatience || in_vain_ % kPause == 0 ? kLook : Nanoseconds(0);
  }
  // After that, when nothing has come; 0: no longer. To be asked once.
  [[nodiscard]] Nanoseconds look_longer() noexcept {
    longer_ = saved_ >= kPrice;
    if (!longer_) return Nanoseconds(0);
    saved_ -= kPrice;
    return kLonger;
  }
  // Said of every wait that may look: whether its looks have found something.
  void note(bool found) noexcept {
    in_vain_ = found ? 0 : in_vain_ + 1;
    if (!std::exchange(longer_, false) && found && !fixed_) saved_ = std::min(saved_ + 1, kMostSaved);
  }

 private:
  std::optional<Nanoseconds> fixed_;
  unsigned in_vain_ = 0;  // waits in a row
  unsigned saved_ = 0;    // looks that have found something
  bool longer_ = false;   // this wait
};

}  // namespace rdpipe
