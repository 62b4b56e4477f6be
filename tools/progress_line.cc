#include "progress_line.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string_view>
#include <utility>

#include "progress_text.h"
#include "report.h"

namespace rdpipe::tools {
namespace {

constexpr std::size_t kColumns = 80;  // where nobody knows
// A terminal that has become narrower, and has not said so yet, cuts the line instead of going on below it.
constexpr const char *kNoWrap = "\033[?7l", *kWrap = "\033[?7h";

std::size_t columns() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : kColumns;
}

bool can_draw() {
  const char* term = std::getenv("TERM");
  return ::isatty(STDERR_FILENO) == 1 && term != nullptr && *term != '\0' && std::strcmp(term, "dumb") != 0;
}

// The terminal is another job's: it may not be drawn on, and writing may stop this process.
bool in_background() {
  const pid_t foreground = ::tcgetpgrp(STDERR_FILENO);
  return foreground != -1 && foreground != ::getpgrp();
}

// Taken away also where it was cut into several rows.
std::string erased(std::size_t drawn_width) { return columns() == drawn_width ? "\r\033[K" : "\r\033[J"; }

}  // namespace

ProgressLine::ProgressLine(SharedOutput& screen, bool always)
    : screen_(screen), draws_(can_draw()), prints_(always && !draws_) {}

bool ProgressLine::is_seen() const { return prints_ || (draws_ && !in_background()); }

// Of what finds no room nothing is left over: the next is as good.
void ProgressLine::write(const std::string& text) { screen_.write(text, Deadline::now()); }

void ProgressLine::show(const Reading& reading) {
  if (prints_) write(line_text(progress_text(reading, kColumns)));
  if (!draws_ || in_background()) return;
  const std::size_t width = columns();
  write((drawn_ ? erased(width_) : "\r\033[K") + kNoWrap + progress_text(reading, width) + kWrap + "\r");
  width_ = width;
  drawn_ = true;
}

void ProgressLine::clear() {
  if (!std::exchange(drawn_, false) || in_background()) return;
  write(erased(width_));
}

// Nor does it wait at the end, for a terminal that is stopped.
void ProgressLine::finish(const Reading& reading) {
  clear();
  if (!is_seen()) return;
  write(line_text(final_text(reading, prints_ ? kColumns : columns())));
}

}  // namespace rdpipe::tools
