#include "tree/packing.h"

#include <cassert>

namespace rdpipe {
namespace {

constexpr unsigned kGroup = 7;
constexpr std::uint64_t kGroupMask = 0x7F;
constexpr std::uint8_t kMore = 0x80;

}  // namespace

void Packer::number(std::uint64_t value) {
  while (value > kGroupMask) {
    byte(static_cast<std::uint8_t>(value & kGroupMask) | kMore);
    value >>= kGroup;
  }
  byte(static_cast<std::uint8_t>(value));
}

void Packer::signed_number(std::int64_t value) {
  number((static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63));
}

void Unpacker::fail() {
  ok_ = false;
  rest_ = {};
}

std::uint8_t Unpacker::byte() {
  if (rest_.empty()) {
    fail();
    return 0;
  }
  const auto value = std::to_integer<std::uint8_t>(rest_.front());
  rest_ = rest_.subspan(1);
  return value;
}

std::uint64_t Unpacker::number() {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += kGroup) {
    const std::uint8_t next = byte();
    const std::uint64_t bits = next & kGroupMask;
    if (shift == 63 && bits > 1) break;
    value |= bits << shift;
    if ((next & kMore) == 0) return value;
  }
  fail();
  return 0;
}

std::uint64_t Unpacker::number(std::uint64_t most) {
  const std::uint64_t value = number();
  if (value <= most) return value;
  fail();
  return 0;
}

std::int64_t Unpacker::signed_number() {
  const std::uint64_t value = number();
  return static_cast<std::int64_t>(value >> 1) ^ -static_cast<std::int64_t>(value & 1);
}

std::span<const std::byte> Unpacker::raw(std::size_t size) {
  if (size > rest_.size()) {
    fail();
    return {};
  }
  const auto bytes = rest_.first(size);
  rest_ = rest_.subspan(size);
  return bytes;
}

std::string_view Unpacker::text(std::size_t most) {
  const auto bytes = raw(static_cast<std::size_t>(number(most)));
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void write_padded(std::uint64_t value, std::span<std::byte, kPaddedSize> out) {
  assert(value <= kPaddedMost);
  for (std::size_t i = 0; i < kPaddedSize; ++i) {
    const auto more = static_cast<std::uint64_t>(i + 1 < kPaddedSize ? kMore : 0);
    out[i] = static_cast<std::byte>((value & kGroupMask) | more);
    value >>= kGroup;
  }
}

}  // namespace rdpipe
