// The 64-byte header that goes beside every frame's payload: bytes in, values out, no I/O. A frame's payload
// length is what the transport says it is (the length of the SEND, or TCP's length word) less 64.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace rdpipe {

constexpr std::size_t kFrameHeaderSize = 64;
constexpr std::size_t kFrameTagSize = 16;
constexpr std::size_t kMaxControlPayload = 1024;               // bytes of a control frame's payload, at most
constexpr std::size_t kMaxDataPayload = std::size_t{4} << 20;  // bytes of a data frame's payload, at most

enum class FrameKind : std::uint8_t {
  kControl = 1,  // payload: the next bytes of the session's byte stream (HELLO, then TLS records)
  kCredit = 2,   // no payload: returns credits, nothing else
  kPad = 3,      // no payload: takes a small receive out of the way of a data frame (RDMA only)
  kData = 4,     // payload: stream bytes at `offset`
  kHole = 5,     // no payload: `length` zero bytes at `offset`
};

// Bits of `flags`.
constexpr std::uint8_t kFlagIgnorable = 0x01;  // a receiver that does not know the kind skips the frame
constexpr std::uint8_t kFlagSealed = 0x02;     // payload is AES-256-GCM ciphertext, `tag` its tag
constexpr std::uint8_t kFlagDigest = 0x04;     // `tag` is the frame's digest (seal/frame_digest.h)
// Of data frames, at most one of these: what the payload, before it was sealed, is of `raw_length` bytes. In
// an offer the same bits stand for what an end can do.
constexpr std::uint8_t kFlagZstd = 0x08;  // one frame of zstd, RFC 8878, that tells its length
constexpr std::uint8_t kFlagLz4 = 0x10;   // one block of LZ4
constexpr std::uint8_t kCompressionFlags = kFlagZstd | kFlagLz4;

struct FrameHeader {
  FrameKind kind{};
  std::uint8_t flags = 0;
  std::uint16_t stream = 0;           // 0 today
  std::uint16_t data_credits = 0;     // data receives granted since the last frame
  std::uint16_t control_credits = 0;  // control receives granted since the last frame (RDMA only)
  std::uint64_t sequence = 0;         // of data and hole frames: 0, 1, 2, ... in a direction
  std::uint64_t offset = 0;           // stream offset of the first byte
  std::uint64_t length = 0;           // stream bytes this frame stands for
  std::uint32_t raw_length = 0;       // payload bytes before compression; payload length where there is none
  std::array<std::byte, kFrameTagSize> tag{};
};

// Layout (offset: field), integers big-endian:
//   0 kind u8 | 1 flags u8 | 2 stream u16 | 4 data_credits u16 | 6 control_credits u16 | 8 sequence u64 |
//   16 offset u64 | 24 length u64 | 32 raw_length u32 | 36 zero u32 | 40 tag 16 bytes | 56 zero u64
// Bytes 4 to 7 belong to the transport and are filled when the frame is posted: they are zero in the
// associated data of a sealed frame, as is the tag.
void encode(const FrameHeader& header, std::span<std::byte, kFrameHeaderSize> out);

// Writes only the two credit fields of an encoded header.
void encode_credits(std::uint16_t data, std::uint16_t control, std::span<std::byte, kFrameHeaderSize> out);
// Of an encoded header: one flag, and the tag.
void set_flag(std::uint8_t flag, std::span<std::byte, kFrameHeaderSize> header);
[[nodiscard]] bool has_flag(std::uint8_t flag, std::span<const std::byte, kFrameHeaderSize> header);
void encode_tag(std::span<const std::byte, kFrameTagSize> tag, std::span<std::byte, kFrameHeaderSize> out);
[[nodiscard]] std::span<const std::byte, kFrameTagSize> tag_of(
    std::span<const std::byte, kFrameHeaderSize> header);

// Nothing for a header with an unknown kind that is not marked ignorable, unknown non-ignorable flag bits,
// flags of compression where the kind is known and not kData, or a nonzero reserved field. An unknown
// ignorable kind is returned as it stands.
[[nodiscard]] std::optional<FrameHeader> decode_frame(std::span<const std::byte, kFrameHeaderSize> in);

}  // namespace rdpipe
