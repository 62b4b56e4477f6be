#include "seal/frame_digest.h"

#if defined(__x86_64__) && __has_include(<xxh_x86dispatch.h>)
#include <xxh_x86dispatch.h>
#endif
#define XXH_STATIC_LINKING_ONLY  // XXH3_state_t on the stack
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <optional>

#include "seal/digest.h"
#include "wire/frame.h"

namespace rdpipe {
namespace {

// A small frame in one piece: to make the state costs many times as much.
XXH128_hash_t hash_of(const FrameHeader& header, std::span<const std::byte> payload) {
  constexpr std::size_t kSmall = 1024;
  std::array<std::byte, kSmall> frame;
  encode(header, std::span(frame).first<kFrameHeaderSize>());
  if (payload.size() <= frame.size() - kFrameHeaderSize) {
    std::copy(payload.begin(), payload.end(), frame.begin() + kFrameHeaderSize);
    return XXH3_128bits(frame.data(), kFrameHeaderSize + payload.size());
  }
  XXH3_state_t state;
  XXH3_INITSTATE(&state);
  XXH3_128bits_reset(&state);
  XXH3_128bits_update(&state, frame.data(), kFrameHeaderSize);
  XXH3_128bits_update(&state, payload.data(), payload.size());
  return XXH3_128bits_digest(&state);
}

Digest128 frame_digest(FrameHeader header, std::span<const std::byte> payload) {
  header.data_credits = 0;
  header.control_credits = 0;
  header.tag = {};
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, hash_of(header, payload));
  Digest128 digest;
  std::copy_n(reinterpret_cast<const std::byte*>(canonical.digest), digest.size(), digest.begin());
  return digest;
}

}  // namespace

void stamp(Slot& slot) {
  auto header = decode_frame(slot.header()).value();  // our own
  header.flags |= kFlagDigest;
  header.tag = frame_digest(header, slot.filled());
  encode(header, slot.header());
}

bool is_intact(const Slot& slot) {
  const auto header = decode_frame(slot.header());
  return header && (header->flags & kFlagDigest) != 0 && header->tag == frame_digest(*header, slot.filled());
}

}  // namespace rdpipe
