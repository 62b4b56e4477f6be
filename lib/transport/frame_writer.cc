#include "transport/frame_writer.h"

#include <algorithm>
#include <cstring>
#include <limits>

namespace rdpipe {

std::span<std::byte> FrameWriter::Outgoing::payload() {
  return slot ? slot.filled() : std::span<std::byte>(control);
}

void FrameWriter::Outgoing::set_length() {
  const be32 length = static_cast<std::uint32_t>(kFrameHeaderSize + payload().size());
  std::memcpy(prefix.data(), &length, sizeof length);
}

FrameWriter::Outgoing& FrameWriter::append(FrameKind kind) {
  Outgoing& frame = queue_.emplace_back();
  encode({.kind = kind}, std::span(frame.prefix).last<kFrameHeaderSize>());
  return frame;
}

void FrameWriter::queue_data(Slot slot) {
  Outgoing& frame = queue_.emplace_back();
  std::copy_n(slot.header().begin(), kFrameHeaderSize, frame.prefix.begin() + kFrameLengthSize);
  encode_credits(0, 0, std::span(frame.prefix).last<kFrameHeaderSize>());
  frame.slot = std::move(slot);
  frame.set_length();
}

void FrameWriter::queue_control(std::span<const std::byte> bytes) {
  Outgoing& frame = append(FrameKind::kControl);
  frame.control.assign(bytes.begin(), bytes.end());
  frame.set_length();
}

void FrameWriter::queue_credits() { append(FrameKind::kCredit).set_length(); }

// Into the first frame that has none yet and has not begun to leave.
std::size_t FrameWriter::place_grants() {
  if (ungranted_ == 0) return 0;
  const auto open = [](const Outgoing& frame) { return !frame.grants; };
  const auto first = queue_.begin() + (written_ > 0 ? 1 : 0);
  const auto frame = std::find_if(first, queue_.end(), open);
  if (frame == queue_.end()) return 0;
  const auto grants = std::min<std::size_t>(ungranted_, std::numeric_limits<std::uint16_t>::max());
  encode_credits(static_cast<std::uint16_t>(grants), 0, std::span(frame->prefix).last<kFrameHeaderSize>());
  frame->grants = true;
  ungranted_ -= grants;
  return grants;
}

std::size_t FrameWriter::parts(std::span<iovec>& parts) {
  const std::size_t granted = place_grants();
  std::size_t count = 0, skip = written_;
  for (Outgoing& frame : queue_) {
    if (count + 2 > parts_.size()) break;
    for (const std::span<std::byte> bytes : {std::span<std::byte>(frame.prefix), frame.payload()}) {
      const std::size_t skipped = std::min(skip, bytes.size());
      skip -= skipped;
      if (bytes.size() > skipped) parts_[count++] = {bytes.data() + skipped, bytes.size() - skipped};
    }
  }
  parts = std::span(parts_).first(count);
  return granted;
}

void FrameWriter::sent(std::size_t bytes, std::deque<LinkEvent>& events) {
  written_ += bytes;
  while (!queue_.empty()) {
    Outgoing& front = queue_.front();
    const std::size_t size = kFramePrefixSize + front.payload().size();
    if (written_ < size) return;
    written_ -= size;
    if (front.slot) events.emplace_back(Sent{std::move(front.slot)});
    queue_.pop_front();
  }
}

}  // namespace rdpipe
