// Frames off a byte stream: says where the next bytes should be read to, so that a data frame's payload goes
// straight into its slot, and turns what has arrived into events. On the wire a frame is its length (u32,
// big-endian, of what follows), the 64-byte header and the payload. No I/O; thread of its link.
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <deque>
#include <span>
#include <vector>

#include "ground/units.h"
#include "transport/link.h"
#include "wire/integers.h"

namespace rdpipe {

constexpr std::size_t kFrameLengthSize = sizeof(be32);
constexpr std::size_t kFramePrefixSize = kFrameLengthSize + kFrameHeaderSize;

class FrameReader {
 public:
  void post(Slot slot) { posted_.push_back(std::move(slot)); }
  [[nodiscard]] std::size_t posted() const noexcept { return posted_.size(); }
  // The peer was told of `frames` more posted slots.
  void grant(std::size_t frames) noexcept { granted_ += frames; }

  // Where the next bytes belong: the rest of what has begun, the prefix behind it, and the next slot in the
  // hope that a data frame follows. Valid until take().
  [[nodiscard]] std::span<iovec> parts();
  // The first `bytes` bytes of parts() have arrived. Appends to `events`, adds to `credits` what the peer
  // has granted. Throws Error{kDamaged} when the peer breaks the framing rules.
  void take(std::size_t bytes, std::deque<LinkEvent>& events, std::size_t& credits);
  // True when no frame has begun.
  [[nodiscard]] bool between_frames() const noexcept { return into_ == Into::kPrefix && have_ == 0; }

 private:
  enum class Into : std::uint8_t { kPrefix, kSlot, kControl, kNowhere };

  [[nodiscard]] std::span<std::byte> missing();  // of the prefix or payload that has begun
  void parse(std::span<std::byte> arrived, std::deque<LinkEvent>& events, std::size_t& credits);
  void check_length();  // sets payload_
  void begin_payload(std::size_t& credits);
  void take_slot();
  void complete(std::deque<LinkEvent>& events);

  std::vector<Slot> posted_;  // a stack: the slot posted last is the one whose memory is warmest
  std::size_t granted_ = 0;   // data frames that the peer may still send
  Into into_ = Into::kPrefix;
  std::size_t have_ = 0;     // bytes of the current prefix or payload
  std::size_t payload_ = 0;  // bytes of the current payload
  std::array<std::byte, kFramePrefixSize> prefix_{};
  FrameHeader header_;
  Slot slot_;                                          // kSlot: the frame's
  std::array<std::byte, kMaxControlPayload> small_{};  // kControl, kNowhere: the payload
  std::array<std::byte, 4_KiB> overflow_{};            // in place of a slot while none is posted
  std::array<iovec, 3> parts_{};
};

}  // namespace rdpipe
