// Sizes in bytes, and how people write them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace rdpipe {

inline namespace literals {
constexpr std::size_t operator""_KiB(unsigned long long n) { return static_cast<std::size_t>(n) << 10; }
constexpr std::size_t operator""_MiB(unsigned long long n) { return static_cast<std::size_t>(n) << 20; }
constexpr std::size_t operator""_GiB(unsigned long long n) { return static_cast<std::size_t>(n) << 30; }
}  // namespace literals

constexpr std::size_t kPageSize = 4096;  // the alignment of every payload, bytes

[[nodiscard]] std::string format_size(std::uint64_t bytes);  // "4 MiB", "1.5 GiB", "17 B"

constexpr std::size_t round_up(std::size_t n, std::size_t multiple) {
  return (n + multiple - 1) / multiple * multiple;
}

}  // namespace rdpipe
