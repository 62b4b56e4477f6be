// Sizes and durations as people write them. Sizes are bytes; k M G T are powers of 1024.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rdpipe {

inline namespace literals {
constexpr std::size_t operator""_KiB(unsigned long long n) { return static_cast<std::size_t>(n) << 10; }
constexpr std::size_t operator""_MiB(unsigned long long n) { return static_cast<std::size_t>(n) << 20; }
constexpr std::size_t operator""_GiB(unsigned long long n) { return static_cast<std::size_t>(n) << 30; }
}  // namespace literals

constexpr std::size_t kPageSize = 4096;  // the alignment of every payload, bytes

// "64k", "4M", "1.5G", "4096": bytes. Nothing for anything else, a negative, or what exceeds 2^63 - 1.
[[nodiscard]] std::optional<std::uint64_t> parse_size(std::string_view text);
// "10", "0.5": seconds, returned in nanoseconds. Nothing for anything else, a negative, or above 10^9 s.
[[nodiscard]] std::optional<std::int64_t> parse_seconds_ns(std::string_view text);

[[nodiscard]] std::string format_size(std::uint64_t bytes);  // "4 MiB", "1.5 GiB", "17 B"
[[nodiscard]] std::string format_rate(
    double bytes_per_second);  // "5.103 GB/s" (powers of 1000, as NICs are sold)

constexpr std::size_t round_up(std::size_t n, std::size_t multiple) {
  return (n + multiple - 1) / multiple * multiple;
}

}  // namespace rdpipe
