#include "rdpipe/report_lines.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "ground/error.h"

namespace rdpipe {
namespace {

constexpr std::string_view kListed = "RDPIPE LISTED ", kUnremoved = "RDPIPE UNREMOVED ",
                           kProgress = "RDPIPE PROGRESS ", kReport = "RDPIPE REPORT ";

// The report's counts, in the order in which they travel.
constexpr std::array kCounts = {
    &CopyReport::entries,      &CopyReport::files,      &CopyReport::directories, &CopyReport::symlinks,
    &CopyReport::specials,     &CopyReport::file_bytes, &CopyReport::files_moved, &CopyReport::bytes_moved,
    &CopyReport::bytes_reused, &CopyReport::created,    &CopyReport::linked,      &CopyReport::deleted,
    &CopyReport::undeleted,    &CopyReport::failed,     &CopyReport::vanished,    &CopyReport::stream_bytes};

std::string_view take_word(std::string_view& text) {
  const std::size_t end = std::min(text.find(' '), text.size());
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return word;
}

std::optional<std::uint64_t> take_count(std::string_view& text) {
  const std::string_view word = take_word(text);
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc() || end != word.data() + word.size()) return {};
  return value;
}

// An absent text travels as "-".
std::string text_word(const std::string& text) { return text.empty() ? "-" : printable(text); }
std::string take_text(std::string_view& text) {
  const std::string_view word = take_word(text);
  return word == "-" ? std::string() : printable(word);
}

Told parse_progress(std::string_view text) {
  CopyProgress progress;
  std::uint64_t known = 0, elapsed = 0;
  for (std::uint64_t* field :
       {&progress.bytes, &progress.total_bytes, &progress.files, &progress.total_files, &known, &elapsed}) {
    const auto count = take_count(text);
    if (!count) return {};
    *field = *count;
  }
  progress.total_known = known != 0;
  progress.elapsed = std::chrono::nanoseconds(elapsed);
  return progress;
}

Told parse_report(std::string_view text) {
  CopyReport report;
  for (const auto count : kCounts) {
    const auto value = take_count(text);
    if (!value) return {};
    report.*count = *value;
  }
  const auto elapsed = take_count(text), sealed = take_count(text);
  if (!elapsed || !sealed) return {};
  report.elapsed = std::chrono::nanoseconds(*elapsed);
  report.sealed = *sealed != 0;
  report.fabric = take_text(text);
  report.device = take_text(text);
  report.peer = take_text(text);
  report.warning = printable(text);
  return report;
}

}  // namespace

std::string listed_line(const std::string& text) { return fmt::format("{}{}\n", kListed, text); }

std::string unremoved_line(const std::string& text) { return fmt::format("{}{}\n", kUnremoved, text); }

std::string progress_line(const CopyProgress& progress) {
  return fmt::format("{}{} {} {} {} {} {}\n", kProgress, progress.bytes, progress.total_bytes, progress.files,
                     progress.total_files, progress.total_known ? 1 : 0, progress.elapsed.count());
}

std::string report_line(const CopyReport& report) {
  std::string line(kReport);
  for (const auto count : kCounts) line += fmt::format("{} ", report.*count);
  line += fmt::format("{} {} {} {} {} {}\n", report.elapsed.count(), report.sealed ? 1 : 0,
                      text_word(report.fabric), text_word(report.device), text_word(report.peer),
                      printable(report.warning));
  return line;
}

Told parse_told(std::string_view line) {
  if (line.starts_with(kListed)) return ListedLine{std::string(line.substr(kListed.size()))};
  if (line.starts_with(kUnremoved)) return UnremovedLine{std::string(line.substr(kUnremoved.size()))};
  if (line.starts_with(kProgress)) return parse_progress(line.substr(kProgress.size()));
  if (line.starts_with(kReport)) return parse_report(line.substr(kReport.size()));
  return {};
}

}  // namespace rdpipe
