#include "seal/compressor.h"

#include <zstd.h>

#include <atomic>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "catch.h"
#include "seal/compression.h"
#include "wire/frame.h"

using namespace rdpipe;

namespace {

using Bytes = std::vector<std::byte>;

// Numbered lines.
Bytes text(std::size_t size) {
  std::string lines;
  for (int i = 0; lines.size() < size; ++i) lines += "line " + std::to_string(i * 7919) + " of many\n";
  const auto bytes = std::as_bytes(std::span(lines)).first(size);
  return {bytes.begin(), bytes.end()};
}

Bytes noise(std::size_t size) {
  std::mt19937 random(1);
  Bytes bytes(size);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  return bytes;
}

Slot frame(Ring& ring, const Bytes& payload, std::uint8_t flags, std::size_t raw_length) {
  Slot slot = ring.acquire().value();
  std::ranges::copy(payload, slot.payload().begin());
  slot.resize(payload.size());
  encode(FrameHeader{.kind = payload.empty() && raw_length > 0 ? FrameKind::kHole : FrameKind::kData,
                     .flags = flags,
                     .sequence = 3,
                     .length = raw_length,
                     .raw_length = static_cast<std::uint32_t>(raw_length)},
         slot.header());
  return slot;
}

Slot frame(Ring& ring, const Bytes& payload, std::uint8_t flags) {
  return frame(ring, payload, flags, payload.size());
}

Bytes filled(const Slot& slot) { return {slot.filled().begin(), slot.filled().end()}; }
std::uint8_t flags_of(const Slot& slot) { return decode_frame(slot.header()).value().flags; }

}  // namespace

TEST_CASE("what is compressed is what comes out, of every size and at every level") {
  Ring ring({256_KiB, 2});
  const Decompressor decompressor;
  const auto round_trip = [&](const Compressor& compressor, std::uint8_t method, const Bytes& bytes) {
    Slot slot = frame(ring, bytes, method);
    compressor.compress(slot);
    const bool shrank = slot.size() < bytes.size();
    CHECK(flags_of(slot) == (shrank ? method : 0));
    REQUIRE(decompressor.decompress(slot));
    CHECK(filled(slot) == bytes);
    return shrank;
  };
  const std::uint8_t method = GENERATE(kFlagZstd, kFlagLz4);
  const bool doubts = GENERATE(false, true);
  const Compressor usual(3, doubts);
  for (const std::size_t size : {0UL, 1UL, 63UL, 64UL, 100UL, 4095UL, 4096UL, 65535UL, 65536UL, 262144UL}) {
    CAPTURE(method, doubts, size);
    CHECK(round_trip(usual, method, text(size)) == (size >= 64));
    CHECK_FALSE(round_trip(usual, method, noise(size)));
  }
  for (int level = 1; level <= kMostZstdLevel; ++level) {
    CHECK(round_trip(Compressor(level, false), method, text(200'000)));
  }
}

TEST_CASE("a frame without the flag of a method is left alone") {
  Ring ring({4_KiB, 2});
  Slot slot = frame(ring, text(4096), kFlagIgnorable);
  Compressor(3, false).compress(slot);
  CHECK(filled(slot) == text(4096));
  CHECK(flags_of(slot) == kFlagIgnorable);
  CHECK(Decompressor().decompress(slot));
  CHECK(filled(slot) == text(4096));
}

TEST_CASE("a large frame that only its ends would let shrink is not compressed in doubt") {
  Ring ring({256_KiB, 2});
  Bytes bytes = noise(256_KiB);
  std::fill_n(bytes.begin(), 64_KiB, std::byte{0});
  Slot slot = frame(ring, bytes, kFlagLz4);
  Compressor(3, true).compress(slot);
  CHECK(slot.size() == 256_KiB);
  Slot other = frame(ring, bytes, kFlagLz4);
  Compressor(3, false).compress(other);
  CHECK(other.size() < 200_KiB);
}

TEST_CASE("frames that no compressor has made are refused") {
  Ring ring({16_KiB, 2});
  const Decompressor decompressor;
  const std::uint8_t method = GENERATE(kFlagZstd, kFlagLz4);
  Slot slot = frame(ring, text(16_KiB), method);
  Compressor(3, false).compress(slot);
  const Bytes packed = filled(slot);
  const auto refuses = [&](const Bytes& payload, std::uint8_t flags, std::size_t raw_length) {
    slot = Slot();
    slot = frame(ring, payload, flags, raw_length);
    return !decompressor.decompress(slot);
  };
  CHECK_FALSE(refuses(packed, method, 16_KiB));
  CHECK(filled(slot) == text(16_KiB));
  CHECK(refuses(packed, method, 16_KiB - 1));  // shorter, and longer, than was promised
  CHECK(refuses(packed, method, 16_KiB + 1));  // more than a slot
  CHECK(refuses(packed, method, ~0U));
  CHECK(refuses(packed, method, packed.size()));
  CHECK(refuses(packed, method, 0));
  CHECK(refuses(packed, kCompressionFlags, 16_KiB));
  CHECK(refuses({}, method, 16_KiB));  // a hole
  CHECK(refuses(noise(1000), method, 16_KiB));
  for (std::size_t size = 1; size < packed.size(); size += 7) {
    CHECK(refuses(Bytes(packed.begin(), packed.begin() + static_cast<std::ptrdiff_t>(size)), method, 16_KiB));
  }
  Bytes longer = packed;
  longer.resize(packed.size() + 1);
  CHECK(refuses(longer, method, 16_KiB));
}

TEST_CASE("a bomb bursts nothing: several frames of zstd in one, and one that would fill more than a slot") {
  Ring ring({16_KiB, 2});
  const Bytes zeros(100_MiB);
  Bytes bomb(16_KiB);
  bomb.resize(ZSTD_compress(bomb.data(), bomb.size(), zeros.data(), zeros.size(), 19));
  REQUIRE(bomb.size() < 16_KiB);  // zstd would not say so of an error
  Slot slot = frame(ring, bomb, kFlagZstd, 16_KiB);
  CHECK_FALSE(Decompressor().decompress(slot));
  Bytes half(4_KiB);
  half.resize(ZSTD_compress(half.data(), half.size(), zeros.data(), 8_KiB, 3));
  Bytes two = half;
  two.insert(two.end(), half.begin(), half.end());
  slot = frame(ring, two, kFlagZstd, 16_KiB);
  CHECK_FALSE(Decompressor().decompress(slot));
}

TEST_CASE("a frame of an older zstd, before its format was fixed, is refused") {
  Ring ring({16_KiB, 2});
  // Of version 0.7: magic number, one segment of 300 bytes, a block that repeats a byte so often, the end.
  Bytes old;
  for (const int byte :
       {0x27, 0xB5, 0x2F, 0xFD, 0x60, 300 - 256, 0, 0x80, 300 >> 8, 300 & 0xFF, 0x78, 0xC0, 0, 0}) {
    old.push_back(static_cast<std::byte>(byte));
  }
  Slot slot = frame(ring, old, kFlagZstd, 300);
  CHECK_FALSE(Decompressor().decompress(slot));
}

TEST_CASE("no flipped bit does more than be refused or change bytes") {
  Ring ring({16_KiB, 2});
  const std::uint8_t method = GENERATE(kFlagZstd, kFlagLz4);
  const Decompressor decompressor;
  Slot slot = frame(ring, text(16_KiB), method);
  Compressor(3, false).compress(slot);
  const Bytes packed = filled(slot);
  slot = Slot();
  for (std::size_t i = 0; i < packed.size(); ++i) {
    Bytes altered = packed;
    altered[i] ^= std::byte{0x10};
    slot = frame(ring, altered, method, 16_KiB);
    if (decompressor.decompress(slot)) CHECK(slot.size() == 16_KiB);
    slot = Slot();
  }
}

TEST_CASE("several threads may compress and decompress at once") {
  Ring ring({64_KiB, 4});
  const Compressor compressor(3, true);
  const Decompressor decompressor;
  std::vector<Slot> slots;
  for (int i = 0; i < 4; ++i) slots.push_back(frame(ring, text(64_KiB), i % 2 == 0 ? kFlagZstd : kFlagLz4));
  std::vector<std::thread> threads;
  std::atomic<int> good = 0;
  for (Slot& slot : slots) {
    threads.emplace_back([&] {
      const std::uint8_t method = flags_of(slot);
      for (int i = 0; i < 20; ++i) {
        compressor.compress(slot);
        if (slot.size() < 64_KiB && decompressor.decompress(slot) && flags_of(slot) == method) ++good;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(good == 80);
  for (const Slot& slot : slots) CHECK(filled(slot) == text(64_KiB));
}
