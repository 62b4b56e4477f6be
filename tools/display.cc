#include "display.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>
#include <vector>

#include "report.h"

namespace rdpipe::tools {
namespace {

std::string scaled(double value) {
  constexpr std::string_view kUnits = "kMGTP";
  std::size_t unit = 0;
  for (value /= 1000; value >= 999.95 && unit + 1 < kUnits.size(); ++unit) value /= 1000;
  return fmt::format("{:.2f} {}", value, kUnits[unit]);
}

double seconds_of(std::chrono::nanoseconds span) { return std::chrono::duration<double>(span).count(); }

double rate_of(std::uint64_t bytes, std::chrono::nanoseconds span) {
  const double seconds = seconds_of(span);
  return seconds > 0 ? static_cast<double>(bytes) / seconds : 0;
}

std::string clock_text(double seconds) {
  const auto whole = static_cast<std::uint64_t>(seconds);
  return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

constexpr double kMostSeconds = 360000;
constexpr auto kFirstGuess = std::chrono::seconds(1);
constexpr std::size_t kColumns = 80;

std::size_t columns() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : kColumns;
}

// "12.3 GB  45%  1.20 GB/s  0:00:12 left  123/4567 entries"; without percentage and time left while the total
// is not known; as much of it as fits.
std::string progress_text(const CopyProgress& progress, std::size_t width) {
  const double rate = rate_of(progress.bytes, progress.elapsed);
  std::vector<std::string> parts{scaled(static_cast<double>(progress.bytes)) + "B"};
  if (progress.total_known && progress.total_bytes > 0) {
    parts.push_back(
        fmt::format("{}%", std::min(progress.bytes, progress.total_bytes) * 100 / progress.total_bytes));
  }
  parts.push_back(scaled(rate) + "B/s");
  if (progress.total_known && rate > 0 && progress.elapsed > kFirstGuess &&
      progress.bytes < progress.total_bytes) {
    const double left = static_cast<double>(progress.total_bytes - progress.bytes) / rate;
    if (left < kMostSeconds) parts.push_back(clock_text(left) + " left");
  }
  parts.push_back(
      fmt::format("{}/{}{} entries", progress.files, progress.total_files, progress.total_known ? "" : "+"));
  std::string text;
  for (const std::string& part : parts) {
    const std::string gap = text.empty() ? "" : "  ";
    if (text.size() + gap.size() + part.size() >= width) break;
    text += gap + part;
  }
  return text;
}

void write_error(const std::string& text) {
  if (::write(STDERR_FILENO, text.data(), text.size()) == -1) return;  // nobody to show it to
}

}  // namespace

Display::Display(const CommandLine& line)
    : quiet_(line.settings.quiet),
      list_(line.copy.list),
      progress_(line.copy.progress && !line.settings.quiet && ::isatty(STDERR_FILENO) == 1),
      stats_(line.copy.stats),
      human_(line.copy.human_readable),
      dry_run_(line.copy.copy.dry_run),
      verbose_(line.settings.verbose) {}

Display::~Display() { clear(); }

void Display::attach(CopyOptions& copy) {
  copy.notice = [this](const std::string& line) { say(line); };
  if (list_) copy.listed = [this](const std::string& line) { list(line); };
  if (progress_) copy.progress = [this](const CopyProgress& progress) { show(progress); };
}

void Display::attach(LaunchOptions& launch, Options& connection) {
  launch.remote_line = [this](const std::string& host, const std::string& line) { say(host + ": " + line); };
  if (!quiet_) connection.notice = [this](const std::string& line) { say(line); };
  if (verbose_) launch.detail = [this](const std::string& line) { say(line); };
}

void Display::say(const std::string& line) {
  clear();
  print_notice(Tool::kCopy, line);
}

void Display::list(const std::string& line) {
  clear();
  if (std::fputs((line + "\n").c_str(), stdout) < 0 && output_error_ == 0) output_error_ = errno;
}

void Display::show(const CopyProgress& progress) {
  std::fflush(stdout);  // NOLINT(cert-err33-c): conclude() looks
  write_error("\r" + progress_text(progress, columns()) + "\033[K");
  drawn_ = true;
}

void Display::clear() {
  if (!drawn_) return;
  write_error("\r\033[K");
  drawn_ = false;
}

std::string Display::number(std::uint64_t value) const {
  return human_ && value >= 1000 ? scaled(static_cast<double>(value)) : fmt::format("{}", value);
}

void Display::print_summary(const CopyReport& report) {
  const std::string device = report.device.empty() ? "" : fmt::format(" ({})", report.device);
  const std::string sealed = report.fabric == "local" ? "" : report.sealed ? ", sealed" : ", not sealed";
  say(fmt::format("{}{} of {} files, {} bytes in {:.3f} s, {}B/s, {}{}{}{}", dry_run_ ? "would copy " : "",
                  number(report.files_moved), number(report.files), number(report.bytes_moved),
                  seconds_of(report.elapsed), scaled(rate_of(report.bytes_moved, report.elapsed)),
                  report.fabric, device,
                  report.compressed ? compression_text(report.stream_bytes, report.wire_bytes) : "", sealed));
}

void Display::print_stats(const CopyReport& report) const {
  const auto print = [&](const char* what, std::uint64_t value) {
    fmt::print("{}: {}\n", what, number(value));
  };
  print("Entries", report.entries);
  print("Regular files", report.files);
  print("Directories", report.directories);
  print("Symlinks", report.symlinks);
  print("Special files", report.specials);
  print("Created", report.created);
  print("Hard links made", report.linked);
  print("Deleted", report.deleted);
  print("Regular files transferred", report.files_moved);
  print("Total file size", report.file_bytes);
  print("Total transferred file size", report.bytes_moved);
  print("Found at the destination already", report.bytes_reused);
  print("Bytes over the connection", report.stream_bytes);
  if (report.compressed) print("... compressed to", report.wire_bytes);
  print("Failed", report.failed);
  print("Vanished", report.vanished);
  fmt::print("Seconds: {:.3f}\n", seconds_of(report.elapsed));
}

int Display::conclude(const CopyReport& report) {
  if (std::exchange(drawn_, false)) write_error("\n");  // what was drawn last stays
  if (stats_) print_stats(report);
  if (std::fflush(stdout) != 0 && output_error_ == 0) output_error_ = errno;
  if (report.failed + report.vanished > 0) {
    say(fmt::format("{} failed, {} vanished; everything else is in its place", report.failed,
                    report.vanished));
  }
  if (report.undeleted > 0) say(fmt::format("{} not deleted: --max-delete", report.undeleted));
  if (verbose_) print_summary(report);
  if (!report.warning.empty() && !quiet_) print_warning(Tool::kCopy, report.warning);
  if (output_error_ != 0) {
    throw Error(Status::kFileIo, "write the list", std::strerror(output_error_),
                "the copy has been made; its list is incomplete");
  }
  return report.status();
}

}  // namespace rdpipe::tools
