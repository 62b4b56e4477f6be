// Sealing of data frames with AES-256-GCM: the payload is encrypted in place, the header (less tag and credit
// fields) is associated data. The nonce is the key's 12-byte base with the frame's sequence number XORed into
// its last 8 bytes; a key serves one direction of one link.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>

#include "ground/secret.h"
#include "io/loop.h"
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

// Slots on their way through a sealer on the loop's workers; they come out in the order they went in.
class SealLane {
 public:
  enum class Direction : std::uint8_t { kSeal, kOpen };
  SealLane(Loop& loop, const Sealer& sealer, Direction direction);
  ~SealLane();  // waits for the workers, then the slots go home

  void push(Slot slot);  // kOpen: sequence numbers are expected to be 0, 1, 2, ...
  // The next slot that is through. Throws Error{kDamaged} for one that did not open.
  [[nodiscard]] std::optional<Slot> pop();
  [[nodiscard]] bool empty() const noexcept { return jobs_.empty(); }

 private:
  struct Job;
  Loop& loop_;
  const Sealer& sealer_;
  Direction direction_;
  std::uint64_t next_sequence_ = 0;
  std::deque<std::unique_ptr<Job>> jobs_;
};

}  // namespace rdpipe
