#include "session/reports.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace rdpipe {

Reports::~Reports() {
  try {
    end_window();
  } catch (...) {  // NOLINT(bugprone-empty-catch): a report is not worth dying for
  }
}

void Reports::add(const std::string& source, const std::string& line, Clock::time_point now) {
  refresh(now);
  if (counts_.empty()) end_ = now + kWindow;
  if (counts_.size() == kSources && !counts_.contains(source)) {
    ++others_;
    return;
  }
  Count& count = counts_[source];
  if (count.told == kLines) {
    ++count.untold;
    return;
  }
  ++count.told;
  report_(line);
}

void Reports::refresh(Clock::time_point now) {
  if (!counts_.empty() && now >= end_) end_window();
}

void Reports::end_window() {
  const auto counts = std::exchange(counts_, {});
  const std::size_t others = std::exchange(others_, 0);
  for (const auto& [source, count] : counts) {
    if (count.untold > 0) report_(fmt::format("and {} more {}", count.untold, source));
  }
  if (others > 0) report_(fmt::format("and {} more of others", others));
}

Deadline Reports::due() const {
  const bool has_untold =
      others_ > 0 || std::ranges::any_of(counts_, [](const auto& one) { return one.second.untold > 0; });
  return has_untold ? Deadline::at(end_) : Deadline::never();
}

}  // namespace rdpipe
