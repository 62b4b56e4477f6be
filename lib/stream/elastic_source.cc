#include "stream/elastic_source.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "io/loop.h"

namespace rdpipe {

void ElasticSource::start(Loop& loop, Ring& ring, std::size_t max_payload) {
  loop_ = &loop;
  ring_ = &ring;
  fifo_.emplace(options_, max_payload, MemoryFifo::Held::kUntilTaken);
  Ring& own = fifo_->ring();
  if (ring.has_device()) own.attach_device();  // what is read goes there in the end
  if (ring.expects_leaves()) own.expect_leaves();
  choose_ring();
  inner().start(loop, own, std::min(max_payload, own.shape().slot_size));
}

std::optional<SourceEvent> ElasticSource::poll(bool urgent) {
  // As much is read as is given, so that a buffer that is being emptied keeps nobody waiting.
  static_cast<void>(read_one(urgent && fifo_->empty()));
  auto event = give();
  note_work();
  return event;
}

void ElasticSource::read_ahead() {
  constexpr std::size_t kEnough = 1_MiB;  // then the link gets its turn
  inner().read_ahead();
  std::size_t bytes = 0;
  while (bytes < kEnough) {
    const std::size_t more = read_one(false);
    if (more == 0) break;
    bytes += more;
  }
  if (bytes > 0) loop_->wake_now();  // it may be what was waited for
  note_work();
}

// Where there is something to be had, what is read behind it brings nobody on.
void ElasticSource::note_work() {
  const std::uint64_t done = inner().taken() + events_;
  const bool works = std::exchange(done_, done) != done;
  if (works && (fifo_->empty() || !fifo_->gives())) ++taken_;
}

// Returns how many bytes came; 1 for a hole, and for the end. 0: nothing can be read now.
std::size_t ElasticSource::read_one(bool urgent) {
  if (ended_ || !fifo_->takes()) return 0;
  auto event = inner().poll(urgent);
  if (!event) return 0;
  ++events_;
  std::size_t bytes = 1;
  if (auto* filled = std::get_if<Filled>(&*event)) {
    bytes = filled->slot.size();
    fifo_->push({.slot = std::move(filled->slot), .leaves = std::move(filled->leaves)});
  } else if (const auto* hole = std::get_if<Hole>(&*event)) {
    fifo_->push({.slot = {}, .hole = hole->length});
  } else {
    ended_ = true;
    fifo_->end();
  }
  choose_ring();
  return bytes;
}

std::optional<SourceEvent> ElasticSource::give() {
  if (!fifo_->gives()) return {};
  if (fifo_->empty()) return ended_ ? std::optional<SourceEvent>(SourceEnd{}) : std::nullopt;
  const bool is_own = fifo_->front().slot.is_of(fifo_->ring());
  auto slot = is_own ? ring_->acquire() : std::nullopt;
  if (is_own && !slot) return {};  // comes home when it was sent
  MemoryFifo::Piece piece = fifo_->take();
  choose_ring();
  if (piece.hole > 0) return Hole{piece.hole};
  if (!is_own) return Filled{std::move(piece.slot), std::move(piece.leaves)};
  const auto bytes = piece.slot.filled();
  std::copy(bytes.begin(), bytes.end(), slot->payload().begin());
  slot->resize(bytes.size());
  return Filled{std::move(*slot), std::move(piece.leaves)};
}

}  // namespace rdpipe
