// The stream digest: leaves are XXH3-128 of each 64 KiB of stream offset, whatever the framing; the root is
// XXH3-128 of all leaves (canonical, 16 bytes each, in order) followed by the stream's length (64 bits,
// big-endian). It depends on content alone. A leaf is no longer than the usual slots, so that whoever fills
// one can make its leaves there and then, on any thread, while its bytes are in the cache. It detects damage;
// it is no defence against forgery: that is what sealing is for.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ground/units.h"

namespace rdpipe {

constexpr std::size_t kLeafSize = 64_KiB;

using Digest128 = std::array<std::byte, 16>;

[[nodiscard]] std::string hex(std::span<const std::byte> bytes);

// XXH3-128, canonical.
[[nodiscard]] Digest128 digest_of(std::span<const std::byte> bytes);
// Of each 64 KiB of `bytes`; the last may be shorter.
[[nodiscard]] std::vector<Digest128> leaves_of(std::span<const std::byte> bytes);

// Memory does not grow with the stream. One thread at a time.
class StreamDigest {
 public:
  StreamDigest();
  StreamDigest(StreamDigest&&) noexcept;
  StreamDigest& operator=(StreamDigest&&) noexcept;
  ~StreamDigest();

  // The next bytes of the stream, with their leaves_of() where these are there already.
  void add(std::span<const std::byte> bytes, std::span<const Digest128> leaves = {});
  void add_zeros(std::uint64_t count);         // the same, for a hole: whole leaves cost next to nothing
  [[nodiscard]] std::uint64_t length() const;  // bytes added
  [[nodiscard]] Digest128 root() const;        // of what was added so far

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// A conventional digest (sha256, sha512, blake2b512, ... : what OpenSSL has), for printing.
class NamedDigest {
 public:
  explicit NamedDigest(const std::string& algorithm);  // throws Error{kUsage} for an unknown one
  NamedDigest(NamedDigest&&) noexcept;
  ~NamedDigest();
  void add(std::span<const std::byte> bytes);
  void add_zeros(std::uint64_t count);
  [[nodiscard]] std::string finish();  // lower-case hex; once

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rdpipe
