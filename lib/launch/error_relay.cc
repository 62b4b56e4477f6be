#include "launch/error_relay.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "ground/error.h"

namespace rdpipe {
namespace {

constexpr std::size_t kLongestLine = 200;  // bytes that are kept of it
constexpr std::size_t kPiece = PIPE_BUF;   // so much stays together in a pipe
constexpr int kPiecesPerTurn = 16;
constexpr int kLastPieces = 256;  // 1 MiB: what fits into a pipe, at most
constexpr Nanoseconds kLastWords = std::chrono::seconds(1);

}  // namespace

void LastLine::add(std::string_view piece) {
  while (!piece.empty()) {
    const std::size_t end = piece.find_first_of("\r\n");
    const std::string_view part = piece.substr(0, end);
    line_.append(part.substr(0, kLongestLine - std::min(kLongestLine, line_.size())));
    if (end == std::string_view::npos) return;
    if (line_.find_first_not_of(" \t") != std::string::npos) last_ = line_;
    line_.clear();
    piece.remove_prefix(end + 1);
  }
}

std::string LastLine::text() const {
  constexpr const char* kBlanks = " \t";
  std::string text = line_.find_first_not_of(kBlanks) == std::string::npos ? last_ : line_;
  text.erase(0, text.find_first_not_of(kBlanks));
  return printable(text, kLongestLine);
}

ErrorRelay::ErrorRelay(Loop& loop, Descriptor from, ErrorOutput to)
    : loop_(loop), from_(std::move(from)), to_(std::move(to)), output_(to_.fd), readable_(loop, from_.get()) {
  check(::fcntl(from_.get(), F_SETFL, O_NONBLOCK), Status::kMemory, "set up a pipe");
}

void ErrorRelay::pump() {
  if (writable_ && writable_->armed()) return;
  for (int piece = 0; piece < kPiecesPerTurn; ++piece) {
    if (pending_.empty()) {
      const Step step = readable_.armed() ? Step::kWaits : read_some();
      if (step != Step::kMoved) return;
    }
    if (write_some(Deadline::now()) == Step::kMoved) continue;
    if (!writable_) writable_.emplace(loop_, to_.fd);
    return writable_->arm(POLLOUT);
  }
  loop_.wake_now();
}

// Somebody else may still hold the pipe open, and even write into it: no end is waited for.
void ErrorRelay::finish() {
  const Deadline limit = Deadline::in(kLastWords);
  while (!limit.passed()) {
    const Step step = pending_.empty() ? read_some() : Step::kMoved;
    if (step == Step::kEnded) return end_line(limit);
    if (step == Step::kWaits) return;
    static_cast<void>(write_some(limit));
  }
  // Nobody takes it: the last line is known all the same.
  for (int piece = 0; piece < kLastPieces && read_some() == Step::kMoved; ++piece) {
  }
}

// What is said next is a line of its own.
void ErrorRelay::end_line(Deadline limit) {
  if (*to_.in_line && output_.write("\n", limit)) *to_.in_line = false;
}

void ErrorRelay::warn(const std::string& text) {
  if (to_.warn) to_.warn(text);
}

ErrorRelay::Step ErrorRelay::read_some() {
  std::array<char, kPiece> piece{};
  const auto count = ::read(from_.get(), piece.data(), piece.size());
  if (count > 0) {
    const std::string_view bytes(piece.data(), static_cast<std::size_t>(count));
    pending_.append(bytes);
    last_.add(bytes);
    return Step::kMoved;
  }
  if (count == 0) return Step::kEnded;
  readable_.arm(POLLIN);
  return Step::kWaits;
}

ErrorRelay::Step ErrorRelay::write_some(Deadline until) {
  if (!output_.await_room(until)) return Step::kWaits;
  if (to_.before) to_.before();
  const std::size_t count = output_.write_now(pending_);
  if (count > 0) *to_.in_line = pending_[count - 1] != '\n';
  pending_.erase(0, count);
  return count > 0 ? Step::kMoved : Step::kWaits;
}

}  // namespace rdpipe
