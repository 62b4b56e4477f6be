#include "seal/digest.h"

#include "catch.h"
#include "ground/error.h"
#include "vectors/vectors.h"

using namespace rdpipe;

namespace {

std::vector<std::byte> content(const std::string& name, std::size_t length) {
  std::vector<std::byte> bytes(length);
  if (name == "zero") return bytes;
  REQUIRE(name == "counting");
  for (std::size_t i = 0; i < length; ++i) bytes[i] = static_cast<std::byte>(i * 7 + (i >> 8) * 13);
  return bytes;
}

Digest128 root_in_pieces(std::span<const std::byte> bytes, std::size_t piece) {
  StreamDigest digest;
  while (!bytes.empty()) {
    const auto part = bytes.first(std::min(piece, bytes.size()));
    digest.add(part);
    bytes = bytes.subspan(part.size());
  }
  return digest.root();
}

}  // namespace

TEST_CASE("stream digests are what the vectors say, whatever the framing") {
  for (const auto& vector : vectors::load("digests.txt")) {
    INFO(vector.text("vector"));
    const auto bytes = content(vector.text("content"), vector.number("length"));
    for (const std::size_t piece : {4096UL, 65537UL, 262144UL, 3'000'000UL, 16UL << 20}) {
      CHECK(hex(root_in_pieces(bytes, piece)) == vector.text("root"));
    }
  }
}

TEST_CASE("a hole has the digest of its zeros, wherever it begins") {
  const std::vector<std::byte> zeros(5_MiB);
  for (const std::size_t before : {0UL, 1UL, 1_MiB - 1, 1_MiB}) {
    for (const std::size_t hole : {0UL, 1UL, 4096UL, 1_MiB, 3_MiB + 77}) {
      const auto front = content("counting", before);
      StreamDigest with_hole, with_zeros;
      with_hole.add(front);
      with_zeros.add(front);
      with_hole.add_zeros(hole);
      with_zeros.add(std::span(zeros).first(hole));
      with_hole.add(front);
      with_zeros.add(front);
      REQUIRE(with_hole.root() == with_zeros.root());
      REQUIRE(with_hole.length() == 2 * before + hole);
    }
  }
}

TEST_CASE("a root may be asked for at any time and changes nothing") {
  const auto bytes = content("counting", 1'500'000);
  StreamDigest digest;
  digest.add(std::span(bytes).first(700'000));
  CHECK(digest.root() == root_in_pieces(std::span(bytes).first(700'000), 4096));
  digest.add(std::span(bytes).subspan(700'000));
  CHECK(digest.root() == root_in_pieces(bytes, 4096));
}

TEST_CASE("streams that differ only in trailing zeros have different roots") {
  StreamDigest one, two;
  one.add_zeros(1_MiB);
  two.add_zeros(2_MiB);
  CHECK(one.root() != two.root());
  CHECK(one.root() != StreamDigest().root());
}

TEST_CASE("named digests are OpenSSL's") {
  NamedDigest sha256("sha256");
  sha256.add(std::as_bytes(std::span("abc", 3)));
  CHECK(sha256.finish() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  NamedDigest with_zeros("blake2b512"), with_bytes("blake2b512");
  with_zeros.add_zeros(200'000);
  with_bytes.add(std::vector<std::byte>(200'000));
  CHECK(with_zeros.finish() == with_bytes.finish());
}

TEST_CASE("an unknown digest is the user's mistake") {
  try {
    NamedDigest digest("sha257");
    FAIL("accepted");
  } catch (const Error& error) {
    CHECK(error.status() == Status::kUsage);
  }
}

TEST_CASE("leaves that are there already make the same root, where they are of those offsets") {
  const auto bytes = content("counting", 1'500'000);
  StreamDigest plain;
  plain.add(bytes);
  for (const std::size_t piece : {4096UL, 65536UL, 100'000UL, 131'072UL, 2'000'000UL}) {
    StreamDigest digest;
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
      const auto part = std::span(bytes).subspan(at, std::min(piece, bytes.size() - at));
      digest.add(part, leaves_of(part));
    }
    CHECK(digest.root() == plain.root());
  }
}
