#include "seal/frame_digest.h"

#include <algorithm>

#include "catch.h"
#include "seal/digest.h"
#include "vectors/vectors.h"
#include "wire/frame.h"

using namespace rdpipe;

namespace {

void fill(Slot& slot, std::span<const std::byte> header, std::span<const std::byte> payload) {
  std::ranges::copy(header, slot.header().begin());
  std::ranges::copy(payload, slot.payload().begin());
  slot.resize(payload.size());
}

}  // namespace

TEST_CASE("stamped frames are what the vectors say") {
  Ring ring({4_KiB, 2});
  for (const auto& vector : vectors::load("stamped.txt")) {
    INFO(vector.text("vector"));
    Slot slot = ring.acquire().value();
    fill(slot, vector.bytes("header"), vector.bytes("payload"));
    stamp(slot);
    CHECK(hex(slot.header()) == vector.text("stamped_header"));
    CHECK(is_intact(slot));
  }
}

TEST_CASE("a stamped frame altered in any byte is not intact; credits are the transport's") {
  Ring ring({4_KiB, 2});
  Slot slot = ring.acquire().value();
  std::array<std::byte, kFrameHeaderSize> header{};
  const std::vector<std::byte> payload(40, std::byte{7});
  encode(FrameHeader{.kind = FrameKind::kData, .sequence = 5, .offset = 9, .length = 40, .raw_length = 40},
         header);
  fill(slot, header, payload);
  CHECK_FALSE(is_intact(slot));
  stamp(slot);
  REQUIRE(is_intact(slot));
  encode_credits(3, 4, slot.header());
  CHECK(is_intact(slot));
  for (std::size_t i = 0; i < kFrameHeaderSize; ++i) {
    if (i >= 4 && i < 8) continue;
    slot.header()[i] ^= std::byte{0x10};
    CHECK_FALSE(is_intact(slot));
    slot.header()[i] ^= std::byte{0x10};
  }
  for (std::byte& byte : slot.filled()) {
    byte ^= std::byte{1};
    CHECK_FALSE(is_intact(slot));
    byte ^= std::byte{1};
  }
  CHECK(is_intact(slot));
}

TEST_CASE("a frame is stamped alike where the leaves of its payload are there already") {
  Ring ring({192_KiB, 2});
  for (const std::size_t size : {961UL, 65536UL, 65537UL, 150'000UL}) {
    Slot slot = ring.acquire().value();
    std::array<std::byte, kFrameHeaderSize> header{};
    encode(FrameHeader{.kind = FrameKind::kData, .length = size}, header);
    std::vector<std::byte> payload(size);
    for (std::size_t i = 0; i < size; ++i) payload[i] = static_cast<std::byte>(i >> 8);
    fill(slot, header, payload);
    stamp(slot, leaves_of(payload));
    CHECK(is_intact(slot));
    slot.filled().back() ^= std::byte{1};
    CHECK_FALSE(is_intact(slot));
  }
}
