// Fuzzes what makes frames small and large again. Whatever comes as a compressed frame is refused or becomes
// as long as it said; whatever is compressed becomes itself again.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <utility>
#include <vector>

#include "ring/ring.h"
#include "seal/compressor.h"
#include "wire/frame.h"

namespace {

using namespace rdpipe;

void require(bool fact) {
  if (!fact) std::abort();
}

Slot frame(Ring& ring, std::span<const std::byte> payload, std::uint8_t flags, std::uint32_t raw_length) {
  Slot slot = ring.acquire().value();
  std::ranges::copy(payload, slot.payload().begin());
  slot.resize(payload.size());
  encode(FrameHeader{.kind = FrameKind::kData, .flags = flags, .raw_length = raw_length}, slot.header());
  return slot;
}

void decompress(Ring& ring, std::span<const std::byte> payload, std::uint8_t flags, std::uint32_t length) {
  static const Decompressor decompressor;
  Slot slot = frame(ring, payload, flags, length);
  if (decompressor.decompress(slot) && flags != 0) require(slot.size() == length);
}

void go_and_return(Ring& ring, std::span<const std::byte> payload, std::uint8_t method) {
  static const Compressor compressor(3, true);
  static const Decompressor decompressor;
  Slot slot = frame(ring, payload, method, static_cast<std::uint32_t>(payload.size()));
  compressor.compress(slot);
  require(slot.size() <= payload.size());
  require(decompressor.decompress(slot));
  require(std::ranges::equal(slot.filled(), payload));
}

}  // namespace

// The first byte chooses the flags, the next two or four are the length that is promised.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Ring ring({64_KiB, 2});
  if (size < 5) return 0;
  const std::size_t length_size = data[0] < 0x80 ? 2 : 4;
  std::uint32_t length = 0;
  for (std::size_t i = 1; i <= length_size; ++i) length = length << 8 | data[i];
  const auto payload = std::as_bytes(std::span(data, size)).subspan(1 + length_size);
  decompress(ring, payload, static_cast<std::uint8_t>((data[0] & 3U) << 3), length);
  if (payload.empty()) return 0;
  go_and_return(ring, payload, kFlagZstd);
  go_and_return(ring, payload, kFlagLz4);
  return 0;
}
