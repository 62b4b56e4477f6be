#include "stream/paced.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "io/loop.h"

namespace rdpipe {
namespace {

// False: the loop wakes when it may have become true, and soon enough to say that this is no standstill.
bool may_go(const Pace& pace, Clock::time_point now, Loop& loop) {
  constexpr Nanoseconds kLongestSleep = std::chrono::milliseconds(100);
  if (pace.ready(now)) return true;
  loop.wake_at(Deadline::at(std::min(pace.next(), now + kLongestSleep)));
  return false;
}

}  // namespace

void PacedSource::start(Loop& loop, Ring& ring, std::size_t max_payload) {
  loop_ = &loop;
  inner().start(loop, ring, max_payload);
}

std::optional<SourceEvent> PacedSource::poll(bool urgent) {
  const auto now = Clock::now();
  if (!may_go(pace_, now, *loop_)) {
    ++waits_;
    return {};
  }
  auto event = inner().poll(urgent);
  if (event) {
    if (const auto* filled = std::get_if<Filled>(&*event)) pace_.spend(now, filled->slot.size());
  }
  return event;
}

void PacedSink::start(Loop& loop, Ring& ring, std::optional<std::uint64_t> size) {
  loop_ = &loop;
  inner().start(loop, ring, size);
}

void PacedSink::write(Slot slot) { pieces_.push_back({std::move(slot)}); }

void PacedSink::write_hole(Slot slot, std::uint64_t length) { pieces_.push_back({std::move(slot), length}); }

void PacedSink::poll() {
  inner().poll();
  if (give()) inner().poll();
}

// True when the inner sink has got something to do.
bool PacedSink::give() {
  bool gave = false;
  while (!pieces_.empty()) {
    const auto now = Clock::now();
    if (!may_go(pace_, now, *loop_)) {
      ++waits_;
      inner().stirred();
      return gave;
    }
    Piece piece = std::move(pieces_.front());
    pieces_.pop_front();
    if (piece.hole > 0) {
      inner().write_hole(std::move(piece.slot), piece.hole);
    } else {
      pace_.spend(now, piece.slot.size());
      inner().write(std::move(piece.slot));
    }
    gave = true;
  }
  return end_inner() || gave;
}

std::optional<std::size_t> PacedSink::backlog() const {
  const auto count = inner().backlog();
  return count ? std::optional(pieces_.size() + *count) : std::nullopt;
}

}  // namespace rdpipe
