// The stream digest: leaves are XXH3-128 of each 1 MiB of stream offset, whatever the framing; the root is
// XXH3-128 of all leaves (canonical, 16 bytes each, in order) followed by the stream's length (64 bits,
// big-endian). It depends on content alone. It detects damage; it is no defence against forgery: that is what
// sealing is for.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "ground/units.h"

namespace rdpipe {

constexpr std::size_t kLeafSize = 1_MiB;

using Digest128 = std::array<std::byte, 16>;

[[nodiscard]] std::string hex(std::span<const std::byte> bytes);

// XXH3-128, canonical, of at most one leaf or of anything small.
[[nodiscard]] Digest128 digest_of(std::span<const std::byte> bytes);

// Memory does not grow with the stream. One thread at a time.
class StreamDigest {
 public:
  StreamDigest();
  StreamDigest(StreamDigest&&) noexcept;
  StreamDigest& operator=(StreamDigest&&) noexcept;
  ~StreamDigest();

  void add(std::span<const std::byte> bytes);  // the next bytes of the stream
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
