#include "stream/forward_sink.h"

#include <algorithm>
#include <utility>

namespace rdpipe {

ForwardSink::ForwardSink(std::shared_ptr<Sink> own, Session& next, Ring& ring, const ForwardOptions& options)
    : next_(next), next_ring_(ring), options_(options), own_(std::move(own)), source_(options.copies) {}

void ForwardSink::start(Loop& loop, Ring& ring, std::optional<std::uint64_t> size) {
  constexpr std::size_t kMostCarriers = 64;  // what a disk needs
  loop_ = &loop;
  StreamOptions stream;
  stream.compression = options_.compression;
  if (options_.knows_root) stream.root = [this] { return root_; };
  source_.expect(size);
  sending_.emplace(loop, next_, next_ring_, source_, stream);
  if (own_ == nullptr) return;
  const RingShape shape = ring.shape();
  carriers_.emplace(RingShape{shape.slot_size, std::min(shape.slots, kMostCarriers)});
  own_->start(loop, *carriers_, size);
}

void ForwardSink::put(Slot slot, std::uint64_t hole) {
  SharedSlot shared = std::move(slot).share();
  if (own_ != nullptr) pieces_.push_back({shared, hole});
  if (hole > 0) {
    source_.give_hole(std::move(shared), hole);
  } else {
    source_.give(std::move(shared));
  }
}

void ForwardSink::poll() {
  if (own_ != nullptr) serve_own();
  if (!sent_) send();
}

void ForwardSink::serve_own() {
  static_cast<void>(feed_own());
  own_->poll();
  if (feed_own()) loop_->wake_now();
  const std::uint64_t taken = own_->taken();
  const std::size_t slots = slots_with_own();
  const bool took = std::exchange(own_taken_, taken) != taken;
  const bool moved = std::exchange(own_slots_, slots) != slots;
  if (took || moved) source_.stir();  // the next one may have to wait for it
}

// True when it has got something to do.
bool ForwardSink::feed_own() {
  bool fed = false;
  while (!pieces_.empty()) {
    auto carrier = carriers_->acquire();
    if (!carrier) break;
    Piece piece = std::move(pieces_.front());
    pieces_.pop_front();
    carrier->borrow(std::move(piece.slot));
    if (piece.hole > 0) {
      own_->write_hole(std::move(*carrier), piece.hole);
    } else {
      own_->write(std::move(*carrier));
    }
    fed = true;
  }
  return fed;
}

std::size_t ForwardSink::slots_with_own() const {
  return carriers_ ? pieces_.size() + carriers_->shape().slots - carriers_->free_slots() : 0;
}

// The end goes on when everything is written here: what can fail here has done so by then, but for putting it
// in place.
void ForwardSink::send() {
  if (finishing_ && slots_with_own() == 0) source_.end();
  if (sending_->step()) loop_->wake_now();
  loop_->wake_at(sending_->due());
  if (!sending_->committed()) return;
  close_next();
  sent_ = true;
  if (own_ == nullptr) return;
  own_->finish();
  own_->poll();
}

// It has committed, whatever becomes of the link.
void ForwardSink::close_next() {
  static_cast<void>(sending_->finish());
  try {
    next_.close();
  } catch (const Error&) {  // NOLINT(bugprone-empty-catch): nobody needs it any more
  }
}

bool ForwardSink::in_place_after_all() { return sent_ && (own_ == nullptr || own_->in_place_after_all()); }

std::uint64_t ForwardSink::taken() const { return sending_->taken() + (own_ != nullptr ? own_->taken() : 0); }

std::optional<std::size_t> ForwardSink::backlog() const {
  const std::size_t taken = next_ring_.shape().slots - next_ring_.free_slots();
  const std::size_t with_next = source_.waiting() + taken - std::min<std::size_t>(taken, 1);  // one is spare
  return std::max(with_next, slots_with_own());
}

}  // namespace rdpipe
