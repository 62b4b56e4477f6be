#include "values.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <optional>
#include <string_view>

namespace rdpipe::tools {
namespace {

// A plain decimal number at the front of `text`, which it is taken off.
std::optional<double> take_decimal(std::string_view& text) {
  const std::size_t digit = text.starts_with('.') ? 1 : 0;
  if (text.size() <= digit || text[digit] < '0' || text[digit] > '9') return {};
  double value = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  if (error != std::errc()) return {};
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

char upper(char c) { return static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c); }

}  // namespace

void reject_value(const char* option, const std::string& text, const std::string& expected) {
  throw Error(Status::kUsage, fmt::format("option {}", option),
              fmt::format("'{}' is not {}", text, expected));
}

std::uint64_t size_value(const char* option, const std::string& text) {
  constexpr const char* kExpected = "a size (a number, then k, M, G or T)";
  std::string_view rest = text;
  auto value = take_decimal(rest);
  if (!value || rest.size() > 1) reject_value(option, text, kExpected);
  if (rest.size() == 1) {
    const auto power = std::string_view("BKMGT").find(upper(rest[0]));
    if (power == std::string_view::npos) reject_value(option, text, kExpected);
    *value *= std::ldexp(1.0, 10 * static_cast<int>(power));
  }
  if (*value >= std::ldexp(1.0, 63)) reject_value(option, text, kExpected);
  return static_cast<std::uint64_t>(*value);
}

int number_value(const char* option, const std::string& text, int lowest, int highest) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < lowest || value > highest) {
    reject_value(option, text, fmt::format("a number from {} to {}", lowest, highest));
  }
  return value;
}

std::chrono::nanoseconds seconds_value(const char* option, const std::string& text, double lowest) {
  std::string_view rest = text;
  const auto value = take_decimal(rest);
  if (!value || !rest.empty() || *value < lowest || *value > 1e9) {
    constexpr double kMoment = 0.001;
    reject_value(option, text,
                 lowest > kMoment ? fmt::format("a number of seconds, {:g} or more", lowest)
                 : lowest > 0     ? "a number of seconds above 0"
                                  : "a number of seconds");
  }
  return std::chrono::nanoseconds(static_cast<std::int64_t>(*value * 1e9));
}

std::chrono::nanoseconds keep_alive_value(const char* option, const std::string& text) {
  const auto span = seconds_value(option, text, 0);
  if (span < std::chrono::seconds(1) || span > std::chrono::hours(1)) {
    reject_value(option, text, "a number of seconds from 1 to 3600");
  }
  return span;
}

Compression compression_value(const std::string& text) {
  constexpr std::string_view kWithLevel = "zstd:";
  if (text.starts_with(kWithLevel)) {
    const std::string level = text.substr(kWithLevel.size());
    return {CompressionUse::kZstd, number_value("--compress=zstd", level, 1, kMostZstdLevel)};
  }
  return {choice_value<CompressionUse>(
      "--compress", text,
      {{"zstd", CompressionUse::kZstd}, {"lz4", CompressionUse::kLz4}, {"auto", CompressionUse::kAuto}})};
}

}  // namespace rdpipe::tools
