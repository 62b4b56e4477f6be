// The session's byte stream on its way out: split into control frames.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include "transport/link.h"

namespace rdpipe {

inline void post_stream(Link& link, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const auto piece = bytes.first(std::min(bytes.size(), kMaxControlPayload));
    link.post_control(piece);
    bytes = bytes.subspan(piece.size());
  }
}

}  // namespace rdpipe
