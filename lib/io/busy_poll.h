// How long to look again and again for what is waited for, before the sleep that would otherwise begin: what
// comes meanwhile is noticed without a wake-up, and costs a processor. No I/O, the arithmetic alone.
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

  // Once a wait, before it sleeps. True when `look`, which is given a time to look for and returns whether it
  // has found something, has.
  template <typename Look>
  [[nodiscard]] bool find(Deadline deadline, Look look) {
    const Nanoseconds time = next_look();
    const bool soon = time.count() > 0 && look(time);
    const bool found = soon || (may_look_longer() && !deadline.passed() && look_longer(look));
    in_vain_ = found ? 0 : in_vain_ + 1;
    if (soon && !fixed_) saved_ = std::min(saved_ + 1, kMostSaved);
    return found;
  }

 private:
  [[nodiscard]] Nanoseconds next_look() const noexcept {
    if (fixed_) return *fixed_;
    return in_vain_ < kPatience || in_vain_ % kPause == 0 ? kLook : Nanoseconds(0);
  }
  [[nodiscard]] bool may_look_longer() const noexcept { return saved_ >= kPrice; }
  template <typename Look>
  [[nodiscard]] bool look_longer(Look& look) {
    saved_ -= kPrice;
    return look(kLonger);
  }

  std::optional<Nanoseconds> fixed_;
  unsigned in_vain_ = 0;  // waits in a row
  unsigned saved_ = 0;    // looks that have found something
};

}  // namespace rdpipe
