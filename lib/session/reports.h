// Lines about those who were turned away, as many as anybody can cause, into a log that they must not fill:
// of each source a few in a window of time, and of the rest how many there were, at the window's end. No
// clock of its own; one thread.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <string>

#include "ground/deadline.h"

namespace rdpipe {

class Reports {
 public:
  static constexpr Nanoseconds kWindow = std::chrono::seconds(10);
  static constexpr std::size_t kLines = 3;     // of one source in a window
  static constexpr std::size_t kSources = 16;  // in a window; of all others there is only a number

  using Report = std::function<void(const std::string& line)>;
  explicit Reports(Report report) : report_(std::move(report)) {}
  Reports(const Reports&) = delete;
  Reports& operator=(const Reports&) = delete;
  ~Reports();  // tells what is left to tell

  // `source` is who caused it: "from 10.0.0.1", "with key det1".
  void add(const std::string& source, const std::string& line, Clock::time_point now);
  // Tells what is due.
  void refresh(Clock::time_point now);
  // When refresh() will have something to tell.
  [[nodiscard]] Deadline due() const;

 private:
  struct Count {
    std::size_t told = 0, untold = 0;
  };
  void end_window();

  Report report_;
  Clock::time_point end_{};              // of the window, while there are sources
  std::map<std::string, Count> counts_;  // by source
  std::size_t others_ = 0;               // lines of sources for which there was no place
};

}  // namespace rdpipe
