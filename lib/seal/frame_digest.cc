#include "seal/frame_digest.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>
#include <vector>

#include "wire/frame.h"

namespace rdpipe {
namespace {

constexpr std::size_t kInOnePiece = 960;  // a small payload: one digest costs less than two
constexpr std::size_t kMaxLeaves = kMaxDataPayload / kLeafSize;

using Header = std::span<const std::byte, kFrameHeaderSize>;

// Of a header that has its flag already.
Digest128 frame_digest(Header header, std::span<const std::byte> payload, std::span<const Digest128> leaves) {
  std::array<std::byte, kFrameHeaderSize + std::max(kInOnePiece, kMaxLeaves * sizeof(Digest128))> bytes;
  const auto start = std::span(bytes).first<kFrameHeaderSize>();
  std::memcpy(start.data(), header.data(), kFrameHeaderSize);
  encode_credits(0, 0, start);
  encode_tag(Digest128{}, start);
  std::vector<Digest128> made;
  if (payload.size() > kInOnePiece) {
    if (leaves.empty()) leaves = made = leaves_of(payload);
    assert(leaves.size() <= kMaxLeaves);
    payload = std::as_bytes(leaves);
  }
  if (!payload.empty()) std::memcpy(bytes.data() + kFrameHeaderSize, payload.data(), payload.size());
  return digest_of(std::span(bytes).first(kFrameHeaderSize + payload.size()));
}

}  // namespace

void stamp(Slot& slot, std::span<const Digest128> leaves) {
  set_flag(kFlagDigest, slot.header());
  encode_tag(frame_digest(slot.header(), slot.filled(), leaves), slot.header());
}

bool is_intact(const Slot& slot) {
  if (!has_flag(kFlagDigest, slot.header())) return false;
  const Digest128 digest = frame_digest(slot.header(), slot.filled(), {});
  return std::memcmp(digest.data(), tag_of(slot.header()).data(), digest.size()) == 0;
}

}  // namespace rdpipe
