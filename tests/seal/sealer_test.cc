#include "seal/sealer.h"

#include <algorithm>

#include "catch.h"
#include "vectors/vectors.h"

using namespace rdpipe;

namespace {

Secret key_of(std::span<const std::byte> bytes) {
  return Secret(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

Secret some_key(char fill = 'k') { return Secret(std::string(kSealKeySize, fill)); }

void fill(Slot& slot, std::span<const std::byte> header, std::span<const std::byte> payload) {
  std::ranges::copy(header, slot.header().begin());
  std::ranges::copy(payload, slot.payload().begin());
  slot.resize(payload.size());
}

Slot make_frame(Ring& ring, std::uint64_t sequence, std::size_t size) {
  Slot slot = ring.acquire().value();
  const std::vector<std::byte> payload(size, static_cast<std::byte>(sequence));
  std::array<std::byte, kFrameHeaderSize> header;
  encode(FrameHeader{.kind = FrameKind::kData, .sequence = sequence, .length = size}, header);
  fill(slot, header, payload);
  return slot;
}

std::vector<std::byte> copy(std::span<const std::byte> bytes) { return {bytes.begin(), bytes.end()}; }

}  // namespace

TEST_CASE("sealed frames are what the vectors say, and open again") {
  Ring ring({4_KiB, 2});
  for (const auto& vector : vectors::load("sealed.txt")) {
    INFO(vector.text("vector"));
    const Sealer sealer(key_of(vector.bytes("key")));
    Slot slot = ring.acquire().value();
    fill(slot, vector.bytes("header"), vector.bytes("payload"));
    const std::uint64_t sequence = decode_frame(slot.header()).value().sequence;
    sealer.seal(slot);
    CHECK(copy(slot.header()) == vector.bytes("sealed_header"));
    CHECK(copy(slot.filled()) == vector.bytes("sealed_payload"));
    REQUIRE(sealer.open(slot, sequence));
    CHECK(copy(slot.filled()) == vector.bytes("payload"));
  }
}

TEST_CASE("a sealed frame altered in any byte does not open; credits are the transport's") {
  Ring ring({4_KiB, 2});
  const Sealer sealer(some_key());
  Slot slot = make_frame(ring, 5, 40);
  sealer.seal(slot);
  const auto header = copy(slot.header());
  const auto payload = copy(slot.filled());
  for (std::size_t i = 0; i < header.size() + payload.size(); ++i) {
    fill(slot, header, payload);
    auto& byte = i < header.size() ? slot.header()[i] : slot.payload()[i - header.size()];
    byte ^= std::byte{0x10};
    INFO("byte " << i);
    REQUIRE(sealer.open(slot, 5) == (i >= 4 && i < 8));
  }
}

TEST_CASE("a sealed frame opens only in its place, at its length and under its key") {
  Ring ring({4_KiB, 2});
  const Sealer sealer(some_key());
  Slot slot = make_frame(ring, 5, 40);
  sealer.seal(slot);
  const auto header = copy(slot.header());
  const auto payload = copy(slot.filled());
  CHECK_FALSE(sealer.open(slot, 4));
  CHECK_FALSE(sealer.open(slot, 6));
  for (const std::size_t size : {0UL, 39UL, 41UL}) {
    fill(slot, header, payload);
    slot.resize(size);
    CHECK_FALSE(sealer.open(slot, 5));
  }
  fill(slot, header, payload);
  CHECK_FALSE(Sealer(some_key('j')).open(slot, 5));
  fill(slot, header, payload);
  CHECK(sealer.open(slot, 5));
}

TEST_CASE("a frame that was never sealed does not open") {
  Ring ring({4_KiB, 2});
  Slot slot = make_frame(ring, 0, 40);
  CHECK_FALSE(Sealer(some_key()).open(slot, 0));
}
