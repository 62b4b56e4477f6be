// How many bytes a second there were lately: counts, by the second, of the last five minutes. A value; one
// thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "ground/deadline.h"

namespace rdpipe {

class Rates {
 public:
  static constexpr std::chrono::seconds kLongest = std::chrono::minutes(5);

  // Time does not go back.
  void add(Clock::time_point now, std::uint64_t bytes);
  // Bytes a second, of the `window` (whole seconds, 1 s to kLongest) that ends at `now`.
  [[nodiscard]] double over(Clock::time_point now, std::chrono::seconds window) const;

 private:
  // The second that `now` is in and as many before it.
  static constexpr std::size_t kSeconds = std::size_t{kLongest.count()} + 1;
  struct Second {
    std::int64_t which = -1;
    std::uint64_t bytes = 0;
  };
  std::array<Second, kSeconds> seconds_{};
};

}  // namespace rdpipe
