// A point in time by which something must have happened, on the monotonic clock; or never.
#pragma once

#include <algorithm>
#include <chrono>

namespace rdpipe {

using Clock = std::chrono::steady_clock;
using Nanoseconds = std::chrono::nanoseconds;

class Deadline {
 public:
  static constexpr Deadline never() noexcept { return Deadline(Clock::time_point::max()); }
  static constexpr Deadline now() noexcept { return Deadline(Clock::time_point::min()); }  // already passed
  // A span that goes beyond the clock's end is never().
  static Deadline in(Nanoseconds span) {
    const auto now = Clock::now();
    return span > Clock::time_point::max() - now ? never() : Deadline(now + span);
  }
  static constexpr Deadline at(Clock::time_point when) noexcept { return Deadline(when); }

  [[nodiscard]] constexpr bool is_never() const noexcept { return when_ == Clock::time_point::max(); }
  [[nodiscard]] bool passed() const { return !is_never() && Clock::now() >= when_; }
  [[nodiscard]] constexpr Clock::time_point when() const noexcept { return when_; }
  // Time left, at least 0. Not to be asked of never().
  [[nodiscard]] Nanoseconds remaining() const {
    if (when_ == Clock::time_point::min()) return Nanoseconds(0);
    return std::max(Nanoseconds(0), std::chrono::duration_cast<Nanoseconds>(when_ - Clock::now()));
  }
  [[nodiscard]] constexpr Deadline earlier(Deadline other) const noexcept {
    return Deadline(std::min(when_, other.when_));
  }
  [[nodiscard]] constexpr bool operator==(const Deadline&) const noexcept = default;

 private:
  explicit constexpr Deadline(Clock::time_point when) noexcept : when_(when) {}
  Clock::time_point when_;
};

}  // namespace rdpipe
