// How long to look again and again for what is waited for, before the sleep that would otherwise begin: what
// comes meanwhile is noticed without a wake-up, and costs a processor. No clock and no I/O, the arithmetic
// alone.
//
// A program may fix the time. Otherwise it adapts, as the kernel's halt polling for virtual machines does:
// there is a look while looks find something, and one that finds nothing costs little beside the sleep that
// follows. After kPatience waits in a row in which nothing came so soon, only every kPause-th begins with a
// look. So who waits for something rare sleeps at once, and nobody looks while nothing is asked of him.
#pragma once

#include <optional>

#include "ground/deadline.h"

namespace rdpipe {

class BusyPoll {
 public:
  static constexpr Nanoseconds kLook = std::chrono::microseconds(50);
  static constexpr unsigned kPatience = 8, kPause = 32;  // waits

  // `fixed`: for so long at every wait, 0 for never; nothing: it adapts.
  explicit BusyPoll(std::optional<Nanoseconds> fixed) : fixed_(fixed) {}

  // At the wait that begins; 0: none.
  [[nodiscard]] Nanoseconds look() const noexcept {
    if (fixed_) return *fixed_;
    return in_vain_ < kPatience || in_vain_ % kPause == 0 ? kLook : Nanoseconds(0);
  }
  // Said of every wait: whether its look has found something.
  void note(bool found) noexcept { in_vain_ = found ? 0 : in_vain_ + 1; }

 private:
  std::optional<Nanoseconds> fixed_;
  unsigned in_vain_ = 0;  // waits in a row
};

}  // namespace rdpipe
