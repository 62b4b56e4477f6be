// Frames queued for a byte stream, gathered so that many go out in one write. No I/O; thread of its link.
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <deque>
#include <span>
#include <vector>

#include "transport/frame_reader.h"
#include "transport/link.h"

namespace rdpipe {

class FrameWriter {
 public:
  void queue_data(Slot slot);
  void queue_control(std::span<const std::byte> bytes);
  void queue_credits();  // a frame of its own for what may be granted
  [[nodiscard]] bool empty() const noexcept { return queue_.empty(); }
  // Credits that the next frame that begins takes along.
  void add_grants(std::size_t frames) noexcept { ungranted_ += frames; }
  [[nodiscard]] std::size_t ungranted() const noexcept { return ungranted_; }

  // The bytes to write next; valid until sent(). Returns the credits that travel with them for the first
  // time.
  [[nodiscard]] std::size_t parts(std::span<iovec>& parts);
  // The first `bytes` bytes of parts() were written; appends a Sent for each slot that is done.
  void sent(std::size_t bytes, std::deque<LinkEvent>& events);

 private:
  struct Outgoing {
    std::array<std::byte, kFramePrefixSize> prefix{};
    Slot slot;                       // of a data or hole frame
    std::vector<std::byte> control;  // of a control frame
    bool grants = false;             // its header carries credits

    [[nodiscard]] std::span<std::byte> payload();
    void set_length();
  };
  Outgoing& append(FrameKind kind);
  [[nodiscard]] std::size_t place_grants();

  static constexpr std::size_t kGathered = 16;  // frames in one write
  std::deque<Outgoing> queue_;
  std::size_t written_ = 0;    // bytes of the front frame
  std::size_t ungranted_ = 0;  // posted slots that the peer was not told of
  std::array<iovec, 2 * kGathered> parts_{};
};

}  // namespace rdpipe
