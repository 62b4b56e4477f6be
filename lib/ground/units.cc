#include "ground/units.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>

namespace rdpipe {
namespace {

// A plain decimal number at the front of `text`, which it is taken off.
std::optional<double> take_number(std::string_view& text) {
  if (text.empty() || text[0] < '0' || text[0] > '9') return {};
  double value = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  if (error != std::errc()) return {};
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

}  // namespace

std::optional<std::uint64_t> parse_size(std::string_view text) {
  auto value = take_number(text);
  if (!value || text.size() > 1) return {};
  if (text.size() == 1) {
    const auto power = std::string_view("kMGT").find(text[0] == 'K' ? 'k' : text[0]);
    if (power == std::string_view::npos) return {};
    *value *= std::ldexp(1.0, 10 * static_cast<int>(power + 1));
  }
  if (*value >= std::ldexp(1.0, 63)) return {};
  return static_cast<std::uint64_t>(*value);
}

std::optional<std::int64_t> parse_seconds_ns(std::string_view text) {
  const auto value = take_number(text);
  if (!value || !text.empty() || *value > 1e9) return {};
  return static_cast<std::int64_t>(*value * 1e9);
}

std::string format_size(std::uint64_t bytes) {
  constexpr std::array units = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  std::size_t unit = 0;
  auto value = static_cast<double>(bytes);
  while (value >= 1024 && unit + 1 < units.size()) {
    value /= 1024;
    ++unit;
  }
  return fmt::format("{:.4g} {}", value, units[unit]);
}

std::string format_rate(double bytes_per_second) {
  if (bytes_per_second >= 1e9) return fmt::format("{:.3f} GB/s", bytes_per_second / 1e9);
  if (bytes_per_second >= 1e6) return fmt::format("{:.3f} MB/s", bytes_per_second / 1e6);
  return fmt::format("{:.3f} kB/s", bytes_per_second / 1e3);
}

}  // namespace rdpipe
