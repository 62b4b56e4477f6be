#include "transport/frame_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <cstring>

#include "ground/error.h"

namespace rdpipe {
namespace {

[[noreturn]] void throw_damaged(std::string cause) {
  throw Error(Status::kDamaged, "read a frame", std::move(cause));
}

iovec to_iovec(std::span<std::byte> bytes) { return {bytes.data(), bytes.size()}; }

bool is_known(FrameKind kind) { return kind >= FrameKind::kControl && kind <= FrameKind::kHole; }

}  // namespace

std::span<std::byte> FrameReader::missing() {
  switch (into_) {
    case Into::kPrefix:
      return std::span(prefix_).subspan(have_);
    case Into::kSlot:
      return slot_.payload().first(payload_).subspan(have_);
    case Into::kControl:
    case Into::kNowhere:
      break;
  }
  return std::span(small_).first(payload_).subspan(have_);
}

std::span<iovec> FrameReader::parts() {
  std::size_t count = 0;
  parts_[count++] = to_iovec(missing());
  if (into_ != Into::kPrefix) parts_[count++] = to_iovec(prefix_);
  parts_[count++] = to_iovec(posted_.empty() ? std::span<std::byte>(overflow_) : posted_.back().payload());
  return std::span(parts_).first(count);
}

void FrameReader::take(std::size_t bytes, std::deque<LinkEvent>& events, std::size_t& credits) {
  const auto parts = parts_;  // a slot's place is known by where its bytes lie, also after it was given away
  for (const iovec& part : parts) {
    const std::size_t here = std::min(bytes, part.iov_len);
    parse({static_cast<std::byte*>(part.iov_base), here}, events, credits);
    bytes -= here;
    if (bytes == 0) return;
  }
}

// What arrived may lie where it belongs already, or anywhere: also further on in the slot that it belongs to.
void FrameReader::parse(std::span<std::byte> arrived, std::deque<LinkEvent>& events, std::size_t& credits) {
  while (!arrived.empty()) {
    const auto place = missing();
    const std::size_t here = std::min(place.size(), arrived.size());
    if (place.data() != arrived.data()) std::memmove(place.data(), arrived.data(), here);
    have_ += here;
    if (into_ == Into::kPrefix)
      check_length();  // early: a stranger that speaks another protocol may then wait
    arrived = arrived.subspan(here);
    if (here < place.size()) return;
    if (into_ == Into::kPrefix) begin_payload(credits);
    if (into_ != Into::kPrefix && have_ == payload_) complete(events);
  }
}

void FrameReader::check_length() {
  if (have_ < kFrameLengthSize) return;
  be32 length;
  std::memcpy(&length, prefix_.data(), sizeof length);
  if (length < kFrameHeaderSize || length > kFrameHeaderSize + kMaxDataPayload) {
    throw_damaged(fmt::format("{} bytes is no length of a frame", static_cast<std::uint32_t>(length)));
  }
  payload_ = length - kFrameHeaderSize;
}

void FrameReader::begin_payload(std::size_t& credits) {
  const auto header = decode_frame(std::span(prefix_).last<kFrameHeaderSize>());
  if (!header) throw_damaged("malformed frame header");
  header_ = *header;
  have_ = 0;
  credits += header_.data_credits;
  const bool data = header_.kind == FrameKind::kData;
  if (data || header_.kind == FrameKind::kHole) {
    take_slot();
    if (!data && payload_ > 0) throw_damaged("a hole with a payload");
    into_ = Into::kSlot;
    return;
  }
  if (payload_ > kMaxControlPayload) throw_damaged(fmt::format("a control frame of {} bytes", payload_));
  const bool control = header_.kind == FrameKind::kControl;
  if (control && payload_ == 0) throw_damaged("an empty control frame");
  if (!control && is_known(header_.kind) && payload_ > 0) throw_damaged("a credit frame with a payload");
  into_ = control ? Into::kControl : Into::kNowhere;
}

void FrameReader::take_slot() {
  if (granted_ == 0) throw_damaged("a data frame without a credit");
  assert(!posted_.empty());
  if (payload_ > posted_.back().payload().size()) {
    throw_damaged(fmt::format("a data frame of {} bytes, larger than a slot", payload_));
  }
  --granted_;
  slot_ = std::move(posted_.back());
  posted_.pop_back();
  std::copy_n(prefix_.begin() + kFrameLengthSize, kFrameHeaderSize, slot_.header().begin());
  slot_.resize(payload_);
}

void FrameReader::complete(std::deque<LinkEvent>& events) {
  if (into_ == Into::kSlot) events.emplace_back(Received{std::move(slot_), header_});
  if (into_ == Into::kControl) {
    events.emplace_back(Control{{small_.begin(), small_.begin() + static_cast<std::ptrdiff_t>(payload_)}});
  }
  into_ = Into::kPrefix;
  have_ = 0;
}

}  // namespace rdpipe
