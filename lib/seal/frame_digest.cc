#include "seal/frame_digest.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <vector>

#include "wire/frame.h"

namespace rdpipe {
namespace {

constexpr std::size_t kInOnePiece = 960;  // a small payload: one digest costs less than two
constexpr std::size_t kMaxLeaves = kMaxDataPayload / kLeafSize;

Digest128 frame_digest(FrameHeader header, std::span<const std::byte> payload,
                       std::span<const Digest128> leaves) {
  header.data_credits = 0;
  header.control_credits = 0;
  header.tag = {};
  std::array<std::byte, kFrameHeaderSize + std::max(kInOnePiece, kMaxLeaves * sizeof(Digest128))> bytes;
  encode(header, std::span(bytes).first<kFrameHeaderSize>());
  std::vector<Digest128> made;
  if (payload.size() > kInOnePiece) {
    if (leaves.empty()) leaves = made = leaves_of(payload);
    assert(leaves.size() <= kMaxLeaves);
    payload = std::as_bytes(leaves);
  }
  std::ranges::copy(payload, bytes.begin() + kFrameHeaderSize);
  return digest_of(std::span(bytes).first(kFrameHeaderSize + payload.size()));
}

}  // namespace

void stamp(Slot& slot, std::span<const Digest128> leaves) {
  auto header = decode_frame(slot.header()).value();  // our own
  header.flags |= kFlagDigest;
  header.tag = frame_digest(header, slot.filled(), leaves);
  encode(header, slot.header());
}

bool is_intact(const Slot& slot) {
  const auto header = decode_frame(slot.header());
  return header && (header->flags & kFlagDigest) != 0 &&
         header->tag == frame_digest(*header, slot.filled(), {});
}

}  // namespace rdpipe
