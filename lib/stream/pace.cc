#include "stream/pace.h"

#include <algorithm>

namespace rdpipe {

void Pace::spend(Clock::time_point now, std::uint64_t bytes) {
  constexpr Nanoseconds kCatchUp = std::chrono::milliseconds(40);
  const std::chrono::duration<double> span(static_cast<double>(bytes) / rate_);
  const auto begin = next_ ? std::max(*next_, now - kCatchUp) : now;
  next_ = begin + std::chrono::duration_cast<Nanoseconds>(span);
}

}  // namespace rdpipe
