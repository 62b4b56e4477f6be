#include "serve/rates.h"

namespace rdpipe {
namespace {

std::int64_t second_of(Clock::time_point time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
}

}  // namespace

void Rates::add(Clock::time_point now, std::uint64_t bytes) {
  const std::int64_t which = second_of(now);
  Second& second = seconds_[static_cast<std::size_t>(which) % kSeconds];
  if (second.which != which) second = {which, 0};
  second.bytes += bytes;
}

double Rates::over(Clock::time_point now, std::chrono::seconds window) const {
  const std::int64_t last = second_of(now);
  std::uint64_t bytes = 0;
  for (const Second& second : seconds_) {
    if (second.which > last - window.count() && second.which <= last) bytes += second.bytes;
  }
  return static_cast<double>(bytes) / static_cast<double>(window.count());
}

}  // namespace rdpipe
