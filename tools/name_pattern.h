// FILE of an rdrecv that keeps listening: a name for each stream.
#pragma once

#include <ctime>
#include <string>
#include <utility>

namespace rdpipe::tools {

// Throws Error{kEndpoint} where the directory of its names, unless that changes too, is not there.
void require_directory(const std::string& pattern);

// Throws Error{kUsage} for a pattern that has an unknown conversion, or none that changes.
void require_name_pattern(const std::string& pattern);

// The name at the local time `when`, as the `number`th. Conversions: %Y %m %d %H %M %S as date(1) has them,
// %n the number, %% a per cent sign.
[[nodiscard]] std::string name_from(const std::string& pattern, std::time_t when, unsigned long number);

// The names of one pattern, in turn.
class NameSeries {
 public:
  explicit NameSeries(std::string pattern) : pattern_(std::move(pattern)) {}
  // The next name; with %n the first, after the last that was used, that nothing has.
  [[nodiscard]] std::string next(std::time_t now);
  void used() { ++number_; }  // the name that next() gave last

 private:
  std::string pattern_;
  unsigned long number_ = 1;
};

}  // namespace rdpipe::tools
