// The message that rdping sends and that comes back: a header of 24 bytes, then as many zeros as the size
// asks for. Big-endian: magic u32, kind u8, three zeros, session u32, peer u32, sequence u64. Plain values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace rdpipe::tools {

constexpr std::size_t kPingHeader = 24;  // bytes

struct PingMessage {
  std::uint32_t session = 0;  // of one sender: others' answers are not its own
  std::uint32_t peer = 0;     // whom it was for, by the sender's own count
  std::uint64_t sequence = 0;
};

// Into the first kPingHeader bytes.
void write_request(std::span<std::byte> message, const PingMessage& content);
// Turns a request into its answer, in place. False for what is no request: an answer must never be answered.
[[nodiscard]] bool make_answer(std::span<std::byte> message);
[[nodiscard]] std::optional<PingMessage> read_answer(std::span<const std::byte> message);

}  // namespace rdpipe::tools
