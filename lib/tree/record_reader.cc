// Records out of the frames that they come in: most lie in one, some go across.
#include <algorithm>

#include "tree/record.h"

namespace rdpipe {

void RecordReader::add(std::span<const std::byte> frame) { frame_ = frame; }

std::optional<RawRecord> RecordReader::next() {
  if (malformed_ || frame_.empty()) return {};
  auto record = carried_.empty() ? next_in_frame() : next_carried();
  return malformed_ ? std::nullopt : record;
}

std::optional<RawRecord> RecordReader::next_in_frame() {
  Unpacker unpacker(frame_);
  const std::uint64_t length = unpacker.number();
  const auto body = unpacker.ok() ? unpacker.rest() : std::span<const std::byte>{};
  if (unpacker.ok() && length == 0) malformed_ = true;
  if (unpacker.ok() && length > 0 && length <= body.size()) {
    frame_ = body.subspan(static_cast<std::size_t>(length));
    in_frame_ = true;
    return RawRecord{static_cast<RecordType>(body.front()),
                     body.subspan(1, static_cast<std::size_t>(length) - 1)};
  }
  if ((unpacker.ok() && length > kMaxRecord) || (!unpacker.ok() && frame_.size() >= kPaddedSize))
    malformed_ = true;
  carried_.assign(frame_.begin(), frame_.end());
  frame_ = {};
  return {};
}

std::optional<RawRecord> RecordReader::next_carried() {
  // The length first, a byte at a time: it may itself go across frames.
  for (;;) {
    Unpacker unpacker(carried_);
    const std::uint64_t length = unpacker.number();
    if (!unpacker.ok()) {
      if (carried_.size() >= kPaddedSize) malformed_ = true;
      if (malformed_ || frame_.empty()) return {};
      carried_.push_back(frame_.front());
      frame_ = frame_.subspan(1);
      continue;
    }
    if (length == 0 || length > kMaxRecord) {
      malformed_ = true;
      return {};
    }
    const auto missing = static_cast<std::size_t>(length) - unpacker.rest().size();
    const auto taken = frame_.first(std::min(missing, frame_.size()));
    carried_.insert(carried_.end(), taken.begin(), taken.end());
    frame_ = frame_.subspan(taken.size());
    if (taken.size() < missing) return {};
    assembled_.assign(carried_.end() - static_cast<std::ptrdiff_t>(length), carried_.end());
    carried_.clear();
    in_frame_ = false;
    return RawRecord{static_cast<RecordType>(assembled_.front()),
                     std::span<const std::byte>(assembled_).subspan(1)};
  }
}

}  // namespace rdpipe
