// Round-trip times as a histogram: as many as one likes in 60 KiB, each to within one percent; the least and
// the greatest exactly. One thread.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace rdpipe::tools {

class RoundTrips {
 public:
  void add(std::chrono::nanoseconds time);
  [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
  // Not to be asked of none.
  [[nodiscard]] std::chrono::nanoseconds least() const noexcept { return least_; }
  [[nodiscard]] std::chrono::nanoseconds greatest() const noexcept { return greatest_; }
  // The time that `share` of all, 0 to 1, do not exceed.
  [[nodiscard]] std::chrono::nanoseconds quantile(double share) const;

 private:
  static constexpr std::size_t kSteps = 128;  // within each power of two
  static constexpr std::size_t kPowers = 57;  // beyond the first, whose steps are of 1 ns
  [[nodiscard]] static std::size_t index_of(std::uint64_t ns);
  [[nodiscard]] static std::uint64_t middle_of(std::size_t index);

  std::array<std::uint64_t, kSteps*(kPowers + 1)> times_{};
  std::uint64_t count_ = 0;
  std::chrono::nanoseconds least_{0}, greatest_{0};
};

}  // namespace rdpipe::tools
