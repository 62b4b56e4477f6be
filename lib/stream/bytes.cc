#include "stream/bytes.h"

#include <algorithm>
#include <utility>

#include "io/loop.h"

namespace rdpipe {

void BytesSource::start(Loop&, Ring& ring, std::size_t max_payload) {
  ring_ = &ring;
  max_payload_ = max_payload;
}

std::optional<SourceEvent> BytesSource::poll(bool urgent) {
  if (!rest_.empty() && !slot_) slot_ = ring_->acquire();
  if (slot_) {
    const auto room = slot_->payload().first(max_payload_).subspan(slot_->size());
    const std::size_t count = std::min(room.size(), rest_.size());
    std::copy_n(rest_.begin(), count, room.begin());
    rest_ = rest_.subspan(count);
    slot_->resize(slot_->size() + count);
    if (urgent || ended_ || count == room.size())
      return Filled{std::move(*std::exchange(slot_, std::nullopt))};
  }
  if (ended_ && rest_.empty() && !slot_) return SourceEnd{};
  return {};
}

// Whoever takes them drives the loop: it is not to sleep on them.
void BytesSink::poll() {
  if (!pieces_.empty()) loop_->wake_now();
}

std::size_t BytesSink::take(std::span<std::byte> into) {
  std::size_t taken = 0;
  while (taken < into.size() && !pieces_.empty()) {
    Piece& piece = pieces_.front();
    const auto room = into.subspan(taken);
    const std::size_t count = std::min<std::uint64_t>(room.size(), piece.length - piece.done);
    if (piece.slot.size() > 0) {
      std::copy_n(piece.slot.filled().subspan(piece.done).begin(), count, room.begin());
    } else {
      std::fill_n(room.begin(), count, std::byte{0});
    }
    piece.done += count;
    if (piece.done == piece.length) pieces_.pop_front();
    taken += count;
  }
  return taken;
}

}  // namespace rdpipe
