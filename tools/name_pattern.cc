#include "name_pattern.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>

#include <rdpipe/error.h>

namespace rdpipe::tools {
namespace {

constexpr std::string_view kTimes = "YmdHMS";

bool has_number(const std::string& pattern) {
  for (std::size_t i = pattern.find('%'); i != std::string::npos; i = pattern.find('%', i + 2)) {
    if (pattern.compare(i + 1, 1, "n") == 0) return true;
  }
  return false;
}

bool exists(const std::string& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0;
}

std::string time_part(char conversion, const std::tm& time) {
  switch (conversion) {
    case 'Y':
      return fmt::format("{:04}", time.tm_year + 1900);
    case 'm':
      return fmt::format("{:02}", time.tm_mon + 1);
    case 'd':
      return fmt::format("{:02}", time.tm_mday);
    case 'H':
      return fmt::format("{:02}", time.tm_hour);
    case 'M':
      return fmt::format("{:02}", time.tm_min);
    default:
      return fmt::format("{:02}", time.tm_sec);
  }
}

}  // namespace

void require_name_pattern(const std::string& pattern) {
  constexpr auto kKnown = "known are %Y %m %d %H %M %S (the time), %n (a number) and %%";
  bool changes = false;
  for (std::size_t i = pattern.find('%'); i != std::string::npos; i = pattern.find('%', i + 2)) {
    const std::string conversion = pattern.substr(i, 2);
    const bool is_known = conversion.size() == 2 && (kTimes.find(conversion[1]) != std::string_view::npos ||
                                                     conversion == "%n" || conversion == "%%");
    if (!is_known)
      throw Error(Status::kUsage, "", fmt::format("'{}' in FILE means nothing", conversion), kKnown);
    changes = changes || conversion != "%%";
  }
  if (changes) return;
  throw Error(Status::kUsage, "",
              "with --keep-listening FILE must be a pattern, or each stream would replace the last",
              fmt::format("{}.%n, say; {}", pattern, kKnown));
}

void require_directory(const std::string& pattern) {
  const std::size_t slash = pattern.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : pattern.substr(0, slash + 1);
  if (directory.find('%') != std::string::npos || ::access(directory.c_str(), W_OK | X_OK) == 0) return;
  throw Error(Status::kEndpoint, fmt::format("store '{}'", pattern), std::strerror(errno));
}

std::string name_from(const std::string& pattern, std::time_t when, unsigned long number) {
  std::tm time{};
  ::localtime_r(&when, &time);
  std::string name;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '%' || i + 1 == pattern.size()) {
      name += pattern[i];
      continue;
    }
    const char conversion = pattern[++i];
    name += conversion == '%'   ? "%"
            : conversion == 'n' ? std::to_string(number)
                                : time_part(conversion, time);
  }
  return name;
}

std::string NameSeries::next(std::time_t now) {
  if (has_number(pattern_)) {
    while (exists(name_from(pattern_, now, number_))) ++number_;
  }
  return name_from(pattern_, now, number_);
}

}  // namespace rdpipe::tools
