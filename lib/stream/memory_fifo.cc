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

MemoryFifo::MemoryFifo(const BufferOptions& options, std::size_t largest_slot, Held until)
    : options_(options), ring_(make_ring(options.size, largest_slot)), until_(until) {}

std::size_t MemoryFifo::held() const noexcept {
  const std::size_t in_use = ring_.shape().slots - ring_.free_slots();
  return (until_ == Held::kUntilHome ? in_use : stored_) * ring_.shape().slot_size - room();
}

std::size_t MemoryFifo::room() const noexcept {
  return growing_ ? ring_.shape().slot_size - pieces_.back().slot.size() : 0;
}

int MemoryFifo::fill_percent() const noexcept { return static_cast<int>(held() * 100 / size()); }

BufferFill MemoryFifo::fill() const { return {.held = held(), .size = size()}; }

void MemoryFifo::push(Piece piece) {
  const bool is_own = piece.slot.is_of(ring_);
  pieces_.push_back(std::move(piece));
  growing_ = false;
  if (is_own) ++stored_;
}

std::size_t MemoryFifo::append(std::span<const std::byte> bytes) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    if (room() == 0) {
      auto fresh = ring_.acquire();
      if (!fresh) break;
      push({std::move(*fresh)});
      growing_ = true;
    }
    Slot& slot = pieces_.back().slot;
    const std::size_t count = std::min(room(), bytes.size() - done);
    std::copy_n(bytes.subspan(done).begin(), count, slot.payload().subspan(slot.size()).begin());
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
  if (!slot) {
    growing_ = false;  // what comes next is this hole: the last piece takes no more
    return false;
  }
  push({std::move(*slot), length});
  return true;
}

MemoryFifo::Piece MemoryFifo::take() {
  Piece piece = std::move(pieces_.front());
  pieces_.pop_front();
  if (pieces_.empty()) growing_ = false;
  if (piece.slot.is_of(ring_)) --stored_;
  return piece;
}

bool MemoryFifo::takes() {
  if (full()) {
    filling_ = false;  // also when it is not full any more by the time that gives() is asked
    if (options_.start_read < 100) paused_ = true;
  }
  if (!holds_per_cent(options_.start_read) || ended_) paused_ = false;
  return !paused_;
}

bool MemoryFifo::gives() {
  if (options_.start_write == 0 || ended_) return true;
  if (pieces_.empty() && held() == 0) {
    filling_ = true;
  } else if (full() || holds_per_cent(options_.start_write)) {
    filling_ = false;
  }
  return !filling_;
}

}  // namespace rdpipe
