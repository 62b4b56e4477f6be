#include "stream/memory_fifo.h"

#include <algorithm>
#include <utility>

#include "ground/error.h"
#include "stream/stream.h"

namespace rdpipe {
namespace {

constexpr std::size_t kUsualSlots = 4;  // at least, unless they are pages
constexpr std::size_t kWarmSlots = 4;   // keep their memory while nothing is in them

Ring make_ring(std::size_t size, std::size_t largest_slot) {
  const std::size_t slot = std::clamp(size / kUsualSlots / kPageSize * kPageSize, kPageSize, largest_slot);
  try {
    return Ring({slot, std::max<std::size_t>(2, size / slot)}, kWarmSlots);
  } catch (const Error& error) {
    throw Error(error.status(), "reserve a buffer of " + format_size(size), error.cause(),
                "-m sets its size");
  }
}

}  // namespace

MemoryFifo::MemoryFifo(const BufferOptions& options, std::size_t largest_slot)
    : options_(options), ring_(make_ring(options.size, largest_slot)) {}

int MemoryFifo::fill_percent() const noexcept {
  return static_cast<int>(stored_ * 100 / ring_.shape().slots);
}

BufferFill MemoryFifo::fill() const {
  const RingShape shape = ring_.shape();
  return {.held = stored_ * shape.slot_size, .size = shape.payload_bytes()};
}

void MemoryFifo::push(Piece piece) {
  const bool is_own = piece.slot.is_of(ring_);
  pieces_.push_back(std::move(piece));
  if (is_own) ++stored_;
}

std::size_t MemoryFifo::append(std::span<const std::byte> bytes) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const bool has_room = !pieces_.empty() && pieces_.back().hole == 0 && pieces_.back().slot.is_of(ring_) &&
                          pieces_.back().slot.size() < ring_.shape().slot_size;
    if (!has_room) {
      auto fresh = ring_.acquire();
      if (!fresh) break;
      push({std::move(*fresh)});
    }
    Slot& slot = pieces_.back().slot;
    const auto room = slot.payload().subspan(slot.size());
    const std::size_t count = std::min(room.size(), bytes.size() - done);
    std::copy_n(bytes.subspan(done).begin(), count, room.begin());
    slot.resize(slot.size() + count);
    done += count;
  }
  return done;
}

bool MemoryFifo::append_hole(std::uint64_t length) {
  const std::uint64_t before = pieces_.empty() ? 0 : pieces_.back().hole;
  if (before > 0 && before + length <= kMaxHoleLength) {  // as much as a sink is given without a buffer
    pieces_.back().hole += length;
    return true;
  }
  auto slot = ring_.acquire();
  if (!slot) return false;
  push({std::move(*slot), length});
  return true;
}

MemoryFifo::Piece MemoryFifo::take() {
  Piece piece = std::move(pieces_.front());
  pieces_.pop_front();
  if (piece.slot.is_of(ring_)) --stored_;
  return piece;
}

bool MemoryFifo::takes() {
  const bool low = stored_ * 100 < static_cast<std::size_t>(options_.start_read) * ring_.shape().slots;
  if (full()) {
    filling_ = false;  // also when it is not full any more by the time that gives() is asked
    if (options_.start_read < 100) paused_ = true;
  }
  if (low || ended_) paused_ = false;
  return !paused_;
}

bool MemoryFifo::gives() {
  if (options_.start_write == 0 || ended_) return true;
  if (pieces_.empty()) {
    filling_ = true;
  } else if (full() ||
             stored_ * 100 >= static_cast<std::size_t>(options_.start_write) * ring_.shape().slots) {
    filling_ = false;
  }
  return !filling_;
}

}  // namespace rdpipe
