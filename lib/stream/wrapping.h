// What is done to each frame between the stream and the line: compressed, and stamped with its own digest or
// sealed; and undone at the other end. So digest and seal cover what crosses the line. Thread-safe; slots may
// be those of a worker.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "ring/ring.h"
#include "seal/compression.h"
#include "seal/compressor.h"
#include "seal/digest.h"
#include "seal/sealer.h"
#include "session/session.h"

namespace rdpipe {

// Whether each frame is digested by itself, so that it can be used before the stream has ended; there is then
// no root. Sealed frames need no digest.
[[nodiscard]] constexpr bool has_frame_digests(const Terms& terms) {
  return terms.digest && terms.content != Content::kStream && !terms.sealed;
}

class Wrapper {
 public:
  Wrapper(const Session& session, const Compression& compression);
  [[nodiscard]] bool takes_long() const { return compressor_ || sealer_; }  // then it is for workers
  // Whether wrap() has a use for leaves_of() the bytes.
  [[nodiscard]] bool uses_leaves() const { return stamps_ && !compressor_; }
  // Its header is encoded, with the flag of the method to compress it with, if any. `leaves`: where they are
  // there already.
  void wrap(Slot& slot, std::span<const Digest128> leaves = {}) const;

 private:
  bool stamps_;
  std::optional<Compressor> compressor_;
  std::optional<Sealer> sealer_;
};

class Unwrapper {
 public:
  explicit Unwrapper(const Session& session);
  [[nodiscard]] bool takes_long() const { return decompressor_ || sealer_; }
  // `sequence`: the number it must have. Its header stays as it came. Throws Error{kDamaged}.
  void unwrap(Slot& slot, std::uint64_t sequence) const;

 private:
  std::string peer_;
  bool is_stamped_;
  std::uint8_t compressions_;
  std::size_t slot_size_;
  std::optional<Decompressor> decompressor_;
  std::optional<Sealer> sealer_;
};

}  // namespace rdpipe
