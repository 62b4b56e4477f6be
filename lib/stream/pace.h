// A rate that is not exceeded: a token bucket that holds 40 ms, and is empty at first. A value; one thread.
#pragma once

#include <cstdint>
#include <optional>

#include "ground/deadline.h"

namespace rdpipe {

class Pace {
 public:
  // At least 1.
  explicit Pace(std::uint64_t bytes_per_second) : rate_(static_cast<double>(bytes_per_second)) {}

  [[nodiscard]] bool ready(Clock::time_point now) const { return !next_ || now >= *next_; }
  // When the next bytes may go, where ready() says no.
  [[nodiscard]] Clock::time_point next() const { return *next_; }
  // They go now; ready() says yes. A loop that comes late may catch up.
  void spend(Clock::time_point now, std::uint64_t bytes);

 private:
  double rate_;  // bytes a second
  std::optional<Clock::time_point> next_;
};

}  // namespace rdpipe
