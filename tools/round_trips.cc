#include "round_trips.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace rdpipe::tools {

// Below kSteps each has its own place; then each power of two has kSteps of them.
std::size_t RoundTrips::index_of(std::uint64_t ns) {
  if (ns < kSteps) return ns;
  const auto power = static_cast<std::size_t>(std::bit_width(ns)) - std::bit_width(kSteps);  // 0 and up
  return std::min((power + 1) * kSteps + (ns >> power) - kSteps, kSteps * (kPowers + 1) - 1);
}

std::uint64_t RoundTrips::middle_of(std::size_t index) {
  if (index < kSteps) return index;
  const std::size_t power = index / kSteps - 1;
  const std::uint64_t first = (index % kSteps + kSteps) << power;
  return first + (std::uint64_t{1} << power) / 2;
}

void RoundTrips::add(std::chrono::nanoseconds time) {
  const auto ns = static_cast<std::uint64_t>(std::max<std::int64_t>(time.count(), 0));
  ++times_[index_of(ns)];
  least_ = count_ == 0 ? time : std::min(least_, time);
  greatest_ = std::max(greatest_, time);
  ++count_;
}

std::chrono::nanoseconds RoundTrips::quantile(double share) const {
  const auto rank =
      std::max<std::uint64_t>(1, static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(count_))));
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < times_.size(); ++i) {
    seen += times_[i];
    if (seen < rank) continue;
    const std::chrono::nanoseconds middle(static_cast<std::int64_t>(middle_of(i)));
    return std::clamp(middle, least_, greatest_);
  }
  return greatest_;
}

}  // namespace rdpipe::tools
