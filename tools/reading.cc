#include "reading.h"

#include <algorithm>

namespace rdpipe::tools {
namespace {

using SteadyClock = std::chrono::steady_clock;

double seconds_of(std::chrono::nanoseconds span) { return std::chrono::duration<double>(span).count(); }

void set_rates(Reading& reading, std::uint64_t moved, RateMeter& meter) {
  reading.mean = reading.seconds > 0 ? static_cast<double>(moved) / reading.seconds : 0;
  reading.rate = meter.rate(moved, SteadyClock::now());
}

void set_link(Reading& reading, const StreamProgress& stream) {
  reading.buffer = stream.buffer;
  reading.ended = stream.ended;
  reading.fabric = stream.fabric;
  reading.device = stream.device;
  reading.peer = stream.peer;
  reading.sealed = stream.sealed;
  reading.retries = stream.retries;
}

}  // namespace

std::optional<unsigned> Reading::percent() const {
  if (!total || *total == 0 || bytes > *total) return {};
  return static_cast<unsigned>(100.0L * static_cast<long double>(bytes) / static_cast<long double>(*total));
}

bool Reading::has_mean() const {
  constexpr double kEnough = 0.5;
  return seconds >= kEnough;
}

std::optional<double> Reading::seconds_left() const {
  constexpr double kFirstGuess = 1, kMost = 360000;
  if (!percent() || ended || rate <= 0 || seconds < kFirstGuess || bytes == *total) return {};
  // What was so for long is likelier to go on than what is so just now.
  const double left = static_cast<double>(*total - bytes) / (0.5 * (rate + mean));
  if (left >= kMost) return {};
  return left;
}

double RateMeter::rate(std::uint64_t bytes, SteadyClock::time_point now) {
  constexpr auto kSpan = std::chrono::seconds(2);
  seen_.emplace_back(now, bytes);
  while (seen_.size() > 2 && now - seen_[1].first >= kSpan) seen_.pop_front();
  const auto& [since, before] = seen_.front();
  const double seconds = seconds_of(now - since);
  return seconds > 0 && bytes > before ? static_cast<double>(bytes - before) / seconds : 0;
}

Reading reading_of(const StreamProgress& progress, RateMeter& meter) {
  Reading reading;
  reading.bytes = progress.bytes;
  reading.total = progress.total;
  reading.seconds = seconds_of(progress.elapsed);
  set_link(reading, progress);
  set_rates(reading, progress.bytes, meter);
  return reading;
}

Reading reading_of(const CopyProgress& progress, RateMeter& meter) {
  Reading reading;
  reading.bytes = progress.bytes;
  if (progress.total_known) reading.total = std::max(progress.bytes, progress.total_bytes);
  reading.seconds = seconds_of(progress.elapsed);
  set_link(reading, progress.stream);
  // The stream has ended long before all that it ordered is done.
  reading.ended = reading.ended && reading.total == reading.bytes;
  reading.entries = Entries{progress.files, progress.total_files, progress.total_known};
  reading.file = progress.file;
  reading.file_bytes = progress.file_bytes;
  reading.file_size = progress.file_size;
  set_rates(reading, progress.bytes - std::min(progress.bytes, progress.found_bytes), meter);
  return reading;
}

}  // namespace rdpipe::tools
