#include "stream/elastic_sink.h"

#include <algorithm>
#include <utility>

#include "io/loop.h"

namespace rdpipe {

void ElasticSink::start(Loop& loop, Ring& ring, std::optional<std::uint64_t> size) {
  constexpr std::size_t kMostDepth = 32;  // what a disk needs
  loop_ = &loop;
  most_passed_on_ = std::max<std::size_t>(1, ring.shape().slots / 2);
  depth_ = std::clamp<std::size_t>(ring.shape().slots, 2, kMostDepth);
  fifo_.emplace(options_, ring.shape().slot_size, MemoryFifo::Held::kUntilHome);
  inner().start(loop, fifo_->ring(), size);
}

bool ElasticSink::passes_through() {
  if (!waiting_.empty() || !fifo_->empty() || !fifo_->gives()) return false;
  return inner().backlog().value_or(most_passed_on_) < most_passed_on_;
}

void ElasticSink::write(Slot slot) {
  if (passes_through()) return inner().write(std::move(slot));
  waiting_.push_back({std::move(slot)});
  store();
}

void ElasticSink::write_hole(Slot slot, std::uint64_t length) {
  if (passes_through()) return inner().write_hole(std::move(slot), length);
  waiting_.push_back({std::move(slot), length});
  store();
}

void ElasticSink::store() {
  while (!waiting_.empty() && fifo_->takes()) {
    Waiting& next = waiting_.front();
    if (next.hole > 0) {
      if (!fifo_->append_hole(next.hole)) return;
    } else {
      next.done += fifo_->append(next.slot.filled().subspan(next.done));
      if (next.done < next.slot.size()) return;
    }
    waiting_.pop_front();
  }
}

void ElasticSink::poll() {
  constexpr int kEnough = 4;  // rounds; then the link gets its turn
  for (int round = 0; round < kEnough; ++round) {
    inner().poll();
    store();
    if (!give()) return;
  }
  loop_->wake_now();
}

// True when the inner sink has got something to do.
bool ElasticSink::give() {
  bool gave = false;
  while (!fifo_->empty() && fifo_->gives() && slots_with_inner() < depth_ && !is_better_later()) {
    MemoryFifo::Piece piece = fifo_->take();
    ++given_;
    if (piece.hole > 0) {
      inner().write_hole(std::move(piece.slot), piece.hole);
    } else {
      inner().write(std::move(piece.slot));
    }
    gave = true;
  }
  const bool drained = fifo_->empty() && waiting_.empty();
  return (drained && end_inner()) || gave;
}

// What has begun to fill a slot goes on to do so while the inner sink has enough: given with little in it, a
// slot of the buffer holds no more than that until it is written.
bool ElasticSink::is_better_later() const {
  return fifo_->grows() && (slots_given() > 0 || slots_with_inner() >= most_passed_on_);
}

std::size_t ElasticSink::slots_given() const {
  const Ring& ring = fifo_->ring();
  return ring.shape().slots - ring.free_slots() - fifo_->stored();
}

std::size_t ElasticSink::slots_with_inner() const { return inner().backlog().value_or(slots_given()); }

// Slots that come home to the buffer nobody else sees.
std::uint64_t ElasticSink::taken() const { return inner().taken() + (fifo_ ? given_ - slots_given() : 0); }

std::optional<std::size_t> ElasticSink::backlog() const {
  return waiting_.size() + fifo_->stored() + slots_with_inner();
}

void ElasticSink::finish() {
  SinkAround::finish();
  fifo_->end();
}

// Where there is something to be taken, what arrives behind it is no news.
void ElasticSink::stirred() {
  if (fifo_->empty() || !fifo_->gives()) inner().stirred();
}

}  // namespace rdpipe
