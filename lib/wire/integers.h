// Integers with a byte order: big-endian in memory at any alignment, plain values in code.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace rdpipe {

template <typename T>
class BigEndian {
 public:
  constexpr BigEndian() = default;
  constexpr BigEndian(T value) {  // NOLINT(google-explicit-constructor): stands for the value
    for (std::size_t i = 0; i < sizeof(T); ++i) {
      bytes_[i] = static_cast<std::byte>((value >> (8 * (sizeof(T) - 1 - i))) & 0xFF);
    }
  }
  constexpr operator T() const {  // NOLINT(google-explicit-constructor)
    T value = 0;
    for (const std::byte byte : bytes_) value = static_cast<T>((value << 8) | static_cast<T>(byte));
    return value;
  }

 private:
  std::array<std::byte, sizeof(T)> bytes_{};
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
