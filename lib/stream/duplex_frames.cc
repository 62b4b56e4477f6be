// What goes out of a duplex and what comes in: frames, and the messages that count them.
#include <fmt/format.h>

#include <utility>

#include "ground/error.h"
#include "seal/frame_digest.h"
#include "stream/duplex.h"

namespace rdpipe {

bool Duplex::can_post() const {
  return sending_.free_slots() > 0 && link().send_credits() > ready_.size() && !failure_;
}

void Duplex::frame(Slot slot) {
  if (failure_) throw *failure_;
  or_fail([&] {
    encode(FrameHeader{.kind = FrameKind::kData,
                       .sequence = sent_frames_++,
                       .offset = written_,
                       .length = slot.size(),
                       .raw_length = static_cast<std::uint32_t>(slot.size())},
           slot.header());
    written_ += slot.size();
    if (stamps_frames_) stamp(slot);
    if (sealer_) sealer_->seal(slot);
    ready_.push_back(std::move(slot));
    post_ready();
  });
}

void Duplex::post_ready() {
  while (!ready_.empty() && link().send_credits() > 0) {
    link().post_send(std::move(ready_.front()));
    ready_.pop_front();
  }
  if (!ready_.empty() || end_sent_) return;
  if (shut_) {
    ask(true);
  } else if (wanted_ > asked_length_) {
    ask(false);
  }
}

void Duplex::ask(bool is_end) {
  if (is_end) {
    session_.send(End{.length = written_, .frames = sent_frames_, .root = {}});
    end_sent_ = true;
  } else {
    session_.send(Sync{.length = written_});
  }
  asked_length_ = written_;
  asked_.push_back({written_, is_end});
}

void Duplex::take_messages() {
  while (const auto message = session_.next()) {
    if (const auto* sync = std::get_if<Sync>(&*message)) {
      if (sync->length <= requested_length_) throw error(Status::kDamaged, "a message out of turn");
      take_request({sync->length, false});
    } else if (const auto* end = std::get_if<End>(&*message)) {
      if (end->frames != received_frames_ || end->root) {
        throw error(Status::kDamaged,
                    fmt::format("{} frames arrived, {} were sent", received_frames_, end->frames));
      }
      take_request({end->length, true});
    } else if (const auto* committed = std::get_if<Committed>(&*message)) {
      take_answer(committed->length);
    } else {
      throw error(Status::kDamaged, "a message out of turn");
    }
  }
}

void Duplex::take_frame(Received& received) {
  Slot& slot = received.slot;
  if (opener_ && !opener_->open(slot, received_frames_)) {
    throw error(Status::kDamaged, "a frame was altered or forged on the way");
  }
  const FrameHeader& header = received.header;
  if (header.kind != FrameKind::kData || header.stream != 0 ||
      ((header.flags & kFlagSealed) != 0) != opener_.has_value() ||
      ((header.flags & kFlagDigest) != 0) != stamps_frames_ || (header.flags & kCompressionFlags) != 0 ||
      header.length != slot.size() || header.raw_length != slot.size() || slot.size() == 0 || end_came_) {
    throw error(Status::kDamaged, "a malformed frame");
  }
  if (stamps_frames_ && !is_intact(slot)) {
    throw error(Status::kDamaged, "digest mismatch: a frame was altered on the way");
  }
  if (header.sequence != received_frames_ || header.offset != received_) {
    throw error(Status::kDamaged, fmt::format("frame {} at offset {} where frame {} at offset {} was due",
                                              header.sequence, header.offset, received_frames_, received_));
  }
  ++received_frames_;
  received_ += slot.size();
  pieces_.push_back({std::move(slot)});
}

// The peer asks behind the bytes that it means: so they have arrived.
void Duplex::take_request(Request request) {
  if (request.length != received_ || end_came_) {
    throw error(Status::kDamaged, fmt::format("{} bytes arrived, {} were sent", received_, request.length));
  }
  requested_length_ = request.length;
  end_came_ = request.is_end;
  requests_.push_back(request);
}

void Duplex::take_answer(std::uint64_t length) {
  if (asked_.empty() || asked_.front().length != length) {
    throw error(Status::kDamaged, "a message out of turn");
  }
  confirmed_ = length;
  end_confirmed_ = asked_.front().is_end;
  asked_.pop_front();
}

// Of the piece in front. A slot that is used up is granted anew; the grant travels with the next frame.
void Duplex::consume(std::size_t count) {
  consumed_ += count;
  Piece& piece = pieces_.front();
  piece.done += count;
  if (!piece.rest().empty()) return;
  Slot slot = std::move(piece.slot);
  pieces_.pop_front();
  // Also behind the end: what the peer still has to say needs receives.
  if (!failure_ && !parted_) quietly([&] { link().post_receive(std::move(slot)); });
}

void Duplex::answer() {
  while (!requests_.empty() && requests_.front().length <= consumed_ && !failure_) {
    session_.send(Committed{.length = requests_.front().length});
    end_answered_ = requests_.front().is_end;
    requests_.pop_front();
  }
}

}  // namespace rdpipe
