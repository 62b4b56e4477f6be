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
constexpr std::size_t kPiece = PIPE_BUF;   // what a pipe that is ready takes without blocking
constexpr int kPiecesPerTurn = 16;

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
    : loop_(loop), from_(std::move(from)), to_(std::move(to)), readable_(loop, from_.get()) {
  check(::fcntl(from_.get(), F_SETFL, O_NONBLOCK), Status::kMemory, "set up a pipe");
}

void ErrorRelay::pump() {
  if (writable_ && writable_->armed()) return;
  for (int piece = 0; piece < kPiecesPerTurn; ++piece) {
    if (pending_.empty()) {
      const Step step = readable_.armed() ? Step::kWaits : read_some();
      if (step != Step::kMoved) return;
    }
    if (write_some(0) == Step::kMoved) continue;
    if (!writable_) writable_.emplace(loop_, to_.fd);
    return writable_->arm(POLLOUT);
  }
  loop_.wake_now();
}

// Somebody else may still hold the pipe open: no end is waited for.
void ErrorRelay::finish() {
  constexpr int kPatience = 50, kTurns = 20;  // milliseconds; in all a second
  for (int turns = 0; turns < kTurns;) {
    if (pending_.empty() && read_some() != Step::kMoved) return;
    if (write_some(kPatience) == Step::kWaits) ++turns;
  }
}

ErrorRelay::Step ErrorRelay::read_some() {
  std::array<char, kPiece> piece{};
  const auto count = ::read(from_.get(), piece.data(), piece.size());
  if (count > 0) {
    pending_.assign(piece.data(), static_cast<std::size_t>(count));
    last_.add(pending_);
    return Step::kMoved;
  }
  if (count == 0) return Step::kEnded;
  readable_.arm(POLLIN);
  return Step::kWaits;
}

// What nobody can read any more is dropped.
ErrorRelay::Step ErrorRelay::write_some(int patience) {
  pollfd ready{to_.fd, POLLOUT, 0};
  if (::poll(&ready, 1, patience) == 0) return Step::kWaits;
  if (to_.before) to_.before();
  const auto count = ::write(to_.fd, pending_.data(), pending_.size());
  if (count == -1 && (errno == EAGAIN || errno == EINTR)) return Step::kWaits;
  pending_.erase(0, count == -1 ? std::string::npos : static_cast<std::size_t>(count));
  return Step::kMoved;
}

}  // namespace rdpipe
