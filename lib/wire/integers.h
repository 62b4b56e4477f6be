// Integers with a byte order: big-endian in memory at any alignment, plain values in code.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace rdpipe {

template <typename T>
class BigEndian {
 public:
  constexpr BigEndian() = default;
  constexpr BigEndian(T value)  // NOLINT(google-explicit-constructor): stands for the value
      : bytes_(std::bit_cast<Bytes>(swapped(value))) {}
  constexpr operator T() const {  // NOLINT(google-explicit-constructor)
    return swapped(std::bit_cast<T>(bytes_));
  }

 private:
  using Bytes = std::array<std::byte, sizeof(T)>;

  static constexpr T swapped(T value) {
    if constexpr (std::endian::native == std::endian::big) return value;
    if constexpr (sizeof(T) == 2) return __builtin_bswap16(value);
    if constexpr (sizeof(T) == 4) return __builtin_bswap32(value);
    if constexpr (sizeof(T) == 8) return __builtin_bswap64(value);
  }

  Bytes bytes_{};
};
template <>
class BigEndian<std::uint8_t> {
 public:
  constexpr BigEndian() = default;
  constexpr BigEndian(std::uint8_t value) : byte_(value) {}  // NOLINT(google-explicit-constructor)
  constexpr operator std::uint8_t() const { return byte_; }  // NOLINT(google-explicit-constructor)

 private:
  std::uint8_t byte_ = 0;
};

using be8 = BigEndian<std::uint8_t>;
using be16 = BigEndian<std::uint16_t>;
using be32 = BigEndian<std::uint32_t>;
using be64 = BigEndian<std::uint64_t>;

}  // namespace rdpipe
