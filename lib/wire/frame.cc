#include "wire/frame.h"

#include <cstring>

#include "wire/integers.h"

namespace rdpipe {
namespace {

struct Layout {
  be8 kind;
  be8 flags;
  be16 stream;
  be16 data_credits;
  be16 control_credits;
  be64 sequence;
  be64 offset;
  be64 length;
  be32 raw_length;
  be32 reserved;
  std::array<std::byte, kFrameTagSize> tag;
  be64 reserved2;
};
static_assert(sizeof(Layout) == kFrameHeaderSize);

constexpr std::uint8_t kKnownFlags = kFlagIgnorable | kFlagSealed | kFlagDigest | kCompressionFlags;

bool is_known(std::uint8_t kind) {
  return kind >= static_cast<std::uint8_t>(FrameKind::kControl) &&
         kind <= static_cast<std::uint8_t>(FrameKind::kHole);
}

}  // namespace

void encode(const FrameHeader& header, std::span<std::byte, kFrameHeaderSize> out) {
  Layout layout{};
  layout.kind = static_cast<std::uint8_t>(header.kind);
  layout.flags = header.flags;
  layout.stream = header.stream;
  layout.data_credits = header.data_credits;
  layout.control_credits = header.control_credits;
  layout.sequence = header.sequence;
  layout.offset = header.offset;
  layout.length = header.length;
  layout.raw_length = header.raw_length;
  layout.tag = header.tag;
  std::memcpy(out.data(), &layout, sizeof layout);
}

void encode_credits(std::uint16_t data, std::uint16_t control, std::span<std::byte, kFrameHeaderSize> out) {
  const be16 fields[2] = {data, control};
  std::memcpy(out.data() + offsetof(Layout, data_credits), fields, sizeof fields);
}

void encode_tag(std::span<const std::byte, kFrameTagSize> tag, std::span<std::byte, kFrameHeaderSize> out) {
  std::memcpy(out.data() + offsetof(Layout, tag), tag.data(), tag.size());
}

std::span<const std::byte, kFrameTagSize> tag_of(std::span<const std::byte, kFrameHeaderSize> header) {
  return header.subspan<offsetof(Layout, tag), kFrameTagSize>();
}

void set_flag(std::uint8_t flag, std::span<std::byte, kFrameHeaderSize> header) {
  header[offsetof(Layout, flags)] |= std::byte{flag};
}

bool has_flag(std::uint8_t flag, std::span<const std::byte, kFrameHeaderSize> header) {
  return (header[offsetof(Layout, flags)] & std::byte{flag}) != std::byte{0};
}

std::optional<FrameHeader> decode_frame(std::span<const std::byte, kFrameHeaderSize> in) {
  Layout layout;
  std::memcpy(&layout, in.data(), sizeof layout);
  const bool ignorable = (layout.flags & kFlagIgnorable) != 0;
  const bool known = is_known(layout.kind);
  if (!ignorable && (!known || (layout.flags & ~kKnownFlags) != 0)) return {};
  const bool data = layout.kind == static_cast<std::uint8_t>(FrameKind::kData);
  if (known && !data && (layout.flags & kCompressionFlags) != 0) return {};
  if (layout.reserved != 0 || layout.reserved2 != 0) return {};
  return FrameHeader{.kind = static_cast<FrameKind>(static_cast<std::uint8_t>(layout.kind)),
                     .flags = layout.flags,
                     .stream = layout.stream,
                     .data_credits = layout.data_credits,
                     .control_credits = layout.control_credits,
                     .sequence = layout.sequence,
                     .offset = layout.offset,
                     .length = layout.length,
                     .raw_length = layout.raw_length,
                     .tag = layout.tag};
}

}  // namespace rdpipe
