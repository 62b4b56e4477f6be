#include "wire/frame.h"

#include "catch.h"
#include "vectors/vectors.h"
#include "wire/integers.h"

using namespace rdpipe;

namespace {

std::array<std::byte, kFrameHeaderSize> header_bytes(const vectors::Vector& vector) {
  const auto bytes = vector.bytes("hex");
  REQUIRE(bytes.size() == kFrameHeaderSize);
  std::array<std::byte, kFrameHeaderSize> header;
  std::copy(bytes.begin(), bytes.end(), header.begin());
  return header;
}

}  // namespace

TEST_CASE("integers are big-endian in memory, at any alignment") {
  struct {
    be8 a = 1;
    be16 b = 0x0203;
    be32 c = 0x04050607;
    be64 d = 0x08090a0b0c0d0e0f;
  } const fields;
  static_assert(sizeof fields == 15 && alignof(decltype(fields)) == 1);
  const auto bytes = std::as_bytes(std::span(&fields, 1));
  for (std::size_t i = 0; i < bytes.size(); ++i) CHECK(std::to_integer<std::size_t>(bytes[i]) == i + 1);
  CHECK(fields.a == 1);
  CHECK(fields.b == 0x0203);
  CHECK(fields.c == 0x04050607);
  CHECK(fields.d == 0x08090a0b0c0d0e0f);
}

TEST_CASE("frame headers read and write as the vectors say") {
  for (const auto& vector : vectors::load("frames.txt")) {
    INFO(vector.text("vector"));
    const auto bytes = header_bytes(vector);
    const auto header = decode_frame(bytes);
    REQUIRE(header.has_value() == (vector.text("accept") == "yes"));
    if (!header) continue;
    CHECK(static_cast<std::uint64_t>(header->kind) == vector.number("kind"));
    CHECK(header->flags == vector.number("flags"));
    CHECK(header->stream == vector.number("stream"));
    CHECK(header->data_credits == vector.number("data_credits"));
    CHECK(header->control_credits == vector.number("control_credits"));
    CHECK(header->sequence == vector.number("sequence"));
    CHECK(header->offset == vector.number("offset"));
    CHECK(header->length == vector.number("length"));
    CHECK(header->raw_length == vector.number("raw_length"));
    CHECK(std::vector(header->tag.begin(), header->tag.end()) == vector.bytes("tag"));
    std::array<std::byte, kFrameHeaderSize> again;
    encode(*header, again);
    CHECK(again == bytes);
  }
}

TEST_CASE("credits and tag are written without touching the rest of a header") {
  const FrameHeader header{.kind = FrameKind::kData, .sequence = ~0ULL, .offset = ~0ULL, .raw_length = ~0U};
  std::array<std::byte, kFrameHeaderSize> bytes;
  encode(header, bytes);
  std::array<std::byte, kFrameTagSize> tag;
  tag.fill(std::byte{0x77});
  encode_credits(3, 4, bytes);
  encode_tag(tag, bytes);
  const auto read = decode_frame(bytes).value();
  CHECK(read.data_credits == 3);
  CHECK(read.control_credits == 4);
  CHECK(read.tag == tag);
  CHECK(read.stream == 0);
  CHECK(read.sequence == ~0ULL);
  CHECK(read.raw_length == ~0U);
}
