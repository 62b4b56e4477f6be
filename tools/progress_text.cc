#include "progress_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>
#include <vector>

namespace rdpipe::tools {
namespace {

constexpr std::string_view kGap = "  ";

struct Scaled {
  double value = 0;
  std::string_view unit{};
};

Scaled scale(double value, double limit) {
  constexpr auto kUnits = std::to_array<std::string_view>({"", "k", "M", "G", "T", "P", "E"});
  std::size_t unit = 0;
  for (; value >= limit && unit + 1 < kUnits.size(); ++unit) value /= 1000;
  return {value, kUnits.at(unit)};
}

// Three digits: "1.20 GB/s", "512 MB/s".
std::string rate_of(double rate) {
  const auto [value, unit] = scale(rate, 999.5);
  const int decimals = unit.empty() || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return fmt::format("{:.{}f} {}B/s", value, decimals, unit);
}

std::string clock_text(double seconds) {
  const auto whole = static_cast<std::uint64_t>(std::ceil(seconds));
  return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

std::size_t columns_of(std::string_view text) {
  std::size_t columns = 0;
  for (const char byte : text) {
    const auto c = static_cast<unsigned char>(byte);
    columns += c < 0x80 ? 1 : (c & 0xC0U) == 0x80 ? 0 : 2;
  }
  return columns;
}

// Parts one after the other, as long as they fit.
class Row {
 public:
  explicit Row(std::size_t width) : width_(width) {}
  void add(std::string_view part) {
    if (part.empty() || full_) return;
    if (part.size() + gap() >= room()) {
      full_ = true;
      return;
    }
    if (!text_.empty()) text_ += kGap;
    text_ += part;
  }
  // The end of it where not all fits: of a path that tells most.
  void add_end_of(const std::string& name, const std::string& behind) {
    constexpr std::size_t kLeast = 12;  // less says nothing
    const std::string shortened = "...";
    if (name.empty() || full_ || room() <= gap() + kLeast + behind.size()) return;
    const std::size_t most = room() - gap() - behind.size() - 1;
    std::string_view end = name;
    const bool cut = columns_of(end) > most;
    while (cut && columns_of(end) > most - shortened.size()) {
      do end.remove_prefix(1);
      while (!end.empty() && (static_cast<unsigned char>(end.front()) & 0xC0U) == 0x80);
    }
    text_ += fmt::format("{}{}{}{}", text_.empty() ? "" : kGap, cut ? shortened : "", end, behind);
    full_ = true;
  }
  [[nodiscard]] std::string take() && { return std::move(text_); }

 private:
  [[nodiscard]] std::size_t gap() const { return text_.empty() ? 0 : kGap.size(); }
  [[nodiscard]] std::size_t room() const { return width_ - std::min(width_, text_.size()); }

  std::size_t width_;
  std::string text_;
  bool full_ = false;
};

void add_amount(Row& row, const Reading& reading) {
  row.add(scaled(static_cast<double>(reading.bytes)) + "B");
  if (const auto percent = reading.percent()) row.add(fmt::format("{}%", *percent));
}

void add_entries(Row& row, const Reading& reading) {
  if (!reading.entries) return;
  const Entries& entries = *reading.entries;
  row.add(fmt::format("{}/{}{} entries", entries.done, entries.total, entries.total_known ? "" : "+"));
}

void add_link(Row& row, const Reading& reading) {
  row.add(reading.fabric.empty() || reading.device.empty()
              ? reading.fabric
              : fmt::format("{} ({})", reading.fabric, reading.device));
}

}  // namespace

std::string scaled(double value) {
  const auto [scaled, unit] = scale(value, 999.995);
  return fmt::format("{:.{}f} {}", scaled, unit.empty() ? 0 : 2, unit);
}

std::string progress_text(const Reading& reading, std::size_t width) {
  Row row(width);
  add_amount(row, reading);
  row.add(rate_of(reading.rate));
  if (const auto left = reading.seconds_left()) row.add(clock_text(*left) + " left");
  if (reading.ended) row.add("confirming");
  add_entries(row, reading);
  if (reading.has_mean()) row.add("mean " + rate_of(reading.mean));
  if (reading.buffer.size > 0) {
    row.add(fmt::format("buffer {}%", 100 * reading.buffer.held / reading.buffer.size));
  }
  add_link(row, reading);
  const std::uint64_t size = reading.file_size;
  row.add_end_of(reading.file,
                 size == 0 ? "" : fmt::format(" {}%", 100 * std::min(size, reading.file_bytes) / size));
  return std::move(row).take();
}

std::string final_text(const Reading& reading, std::size_t width) {
  Row row(width);
  add_amount(row, reading);
  row.add(rate_of(reading.mean));
  row.add("in " + clock_text(reading.seconds));
  add_entries(row, reading);
  add_link(row, reading);
  return std::move(row).take();
}

}  // namespace rdpipe::tools
