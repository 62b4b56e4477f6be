// What is shown of a transfer that is under way: the same for streams and copies.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>

#include <rdpipe/copy.h>
#include <rdpipe/progress.h>

namespace rdpipe::tools {

struct Entries {
  std::uint64_t done = 0, total = 0;
  bool total_known = false;
};

struct Reading {
  std::uint64_t bytes = 0;
  std::optional<std::uint64_t> total{};  // as expected: there may come more
  double seconds = 0;
  double rate = 0, mean = 0;  // bytes a second: now, and of all
  BufferFill buffer{};
  bool ended = false;  // all are through, and not yet in place
  std::string fabric{}, device{}, peer{};
  bool sealed = false;
  unsigned retries = 0;
  // Of a copy.
  std::optional<Entries> entries{};
  std::string file{};  // the large one under way; empty: none
  std::uint64_t file_bytes = 0, file_size = 0;

  // Something has moved, or, of a copy, was found.
  [[nodiscard]] bool tells() const { return bytes > 0 || (entries && entries->total > 0); }
  // Of no time at all there is no mean.
  [[nodiscard]] bool has_mean() const;
  // 0 to 100; nothing where it is not known, or was wrong.
  [[nodiscard]] std::optional<unsigned> percent() const;
  [[nodiscard]] std::optional<double> seconds_left() const;
};

// Bytes a second over the last two seconds.
class RateMeter {
 public:
  [[nodiscard]] double rate(std::uint64_t bytes, std::chrono::steady_clock::time_point now);

 private:
  std::deque<std::pair<std::chrono::steady_clock::time_point, std::uint64_t>> seen_;
};

[[nodiscard]] Reading reading_of(const StreamProgress& progress, RateMeter& meter);
[[nodiscard]] Reading reading_of(const CopyProgress& progress, RateMeter& meter);

}  // namespace rdpipe::tools
