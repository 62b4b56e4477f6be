// Sealing of data frames with AES-256-GCM: the payload is encrypted in place, the header (less tag and credit
// fields) is associated data. The nonce is the key's 12-byte base with the frame's sequence number XORed into
// its last 8 bytes; a key serves one direction of one link.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "ground/secret.h"
#include "ring/ring.h"

namespace rdpipe {

constexpr std::size_t kSealKeySize = 32 + 12;  // key and nonce base, from the session's exporter

// Thread-safe: each call uses a context of its own.
class Sealer {
 public:
  explicit Sealer(Secret key);  // kSealKeySize bytes
  // Encrypts slot.filled() and completes slot.header() (flag and tag). The header is encoded already.
  void seal(Slot& slot) const;
  // Decrypts slot.filled() in place. False when the frame was altered, forged or is not the expected sequence
  // number's.
  [[nodiscard]] bool open(Slot& slot, std::uint64_t expected_sequence) const;

 private:
  Secret key_;
};

}  // namespace rdpipe
