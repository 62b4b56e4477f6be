#include "display.h"

#include <fmt/format.h>

#include <cerrno>

#include <cstdio>
#include <cstring>
#include "report.h"

#include "progress_text.h"

namespace rdpipe::tools {
namespace {

double seconds_of(std::chrono::nanoseconds span) { return std::chrono::duration<double>(span).count(); }

double rate_of(std::uint64_t bytes, std::chrono::nanoseconds span) {
  const double seconds = seconds_of(span);
  return seconds > 0 ? static_cast<double>(bytes) / seconds : 0;
}

}  // namespace

Display::Display(const CommandLine& line, Monitor& monitor)
    : monitor_(monitor),
      list_(line.copy.list),
      stats_(line.copy.stats),
      human_(line.copy.human_readable),
      dry_run_(line.copy.copy.dry_run),
      verbose_(line.settings.verbose) {}

void Display::attach(CopySettings& settings) {
  CopyOptions& copy = settings.copy;
  copy.notice = [this](const std::string& line) { say(line); };
  if (list_) copy.listed = [this](const std::string& line) { list(line); };
  settings.progress = monitor_.wants_progress();
  if (settings.progress) {
    copy.progress = [this](const CopyProgress& progress) {
      std::fflush(stdout);  // NOLINT(cert-err33-c): conclude() looks
      monitor_.show(progress);
    };
  }
}

void Display::attach(LaunchOptions& launch, Options& connection) {
  monitor_.attach(connection);
  launch.remote_line = [this](const std::string& host, const std::string& line) { say(host + ": " + line); };
  if (verbose_) launch.detail = [this](const std::string& line) { say(line); };
}

void Display::say(const std::string& line) { monitor_.announce(line); }

void Display::list(const std::string& line) {
  monitor_.make_way();
  if (std::fputs((line + "\n").c_str(), stdout) < 0 && output_error_ == 0) output_error_ = errno;
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
  monitor_.settle(report.status() == 0);
  if (stats_) print_stats(report);
  if (std::fflush(stdout) != 0 && output_error_ == 0) output_error_ = errno;
  if (report.failed + report.vanished > 0) {
    say(fmt::format("{} failed, {} vanished; everything else is in its place", report.failed,
                    report.vanished));
  }
  if (report.undeleted > 0) say(fmt::format("{} not deleted: --max-delete", report.undeleted));
  if (verbose_) print_summary(report);
  if (!report.warning.empty()) monitor_.warn(report.warning);
  if (output_error_ != 0) {
    throw Error(Status::kFileIo, "write the list", std::strerror(output_error_),
                "the copy has been made; its list is incomplete");
  }
  monitor_.finish(report);
  return report.status();
}

}  // namespace rdpipe::tools
