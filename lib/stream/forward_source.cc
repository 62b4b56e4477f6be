#include "stream/forward_source.h"

namespace rdpipe {

void ForwardSource::start(Loop& /*loop*/, Ring& ring, std::size_t /*max_payload*/) { ring_ = &ring; }

std::optional<SourceEvent> ForwardSource::poll(bool /*urgent*/) {
  if (pieces_.empty()) return ended_ ? std::optional<SourceEvent>(SourceEnd{}) : std::nullopt;
  Piece& piece = pieces_.front();
  if (piece.hole > 0) {
    const Hole hole{piece.hole};
    pieces_.pop_front();
    return hole;
  }
  auto carrier = ring_->acquire();
  if (!carrier) return {};  // comes home when it was sent
  carrier->borrow(std::move(piece.slot));
  if (copies_) carrier->own();
  pieces_.pop_front();
  return Filled{std::move(*carrier)};
}

}  // namespace rdpipe
