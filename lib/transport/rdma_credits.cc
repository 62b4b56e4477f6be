#include "transport/rdma_credits.h"

#include <cassert>

namespace rdpipe {
namespace {

constexpr std::size_t kSmallThreshold = kSmallReceives / 4;
constexpr std::size_t kMostSlots = 65536;  // of a ring

}  // namespace

void RdmaCredits::posted_slot() {
  posts_slots_ = true;
  slots_.post(true);
  window_ = std::max(window_, slots_.left + slots_.owed);
}

void RdmaCredits::reposted_slot(FrameKind taken_by) { slots_.post(taken_by != FrameKind::kCredit); }

void RdmaCredits::reposted_small(FrameKind taken_by) {
  assert(!posts_slots_);
  small_.post(taken_by != FrameKind::kCredit);
}

bool RdmaCredits::took_slot() { return slots_.take(); }

bool RdmaCredits::took_small() { return small_.take(); }

bool RdmaCredits::receive_grant(const FrameHeader& header) {
  if (header.control_credits > 0 && peer_posts_slots_) return false;
  peer_small_ += header.control_credits;
  peer_slots_ += header.data_credits;
  peer_window_ = std::max(peer_window_, peer_slots_);
  peer_posts_slots_ = peer_posts_slots_ || header.data_credits > 0;
  return peer_small_ <= kSmallReceives && peer_slots_ <= kMostSlots;
}

std::size_t RdmaCredits::data_frames() const {
  if (peer_small_ > 0 || peer_slots_ == 0) return 0;
  // Of three or more, one is kept for what grants small receives: a peer that holds all its slots may have
  // much to say.
  if (may_spend_last()) return peer_window_ > 2 ? peer_slots_ - 1 : peer_slots_;
  return owes() ? std::max<std::size_t>(1, peer_slots_ - 1) : peer_slots_ - 1;
}

bool RdmaCredits::credit_frame_due() const {
  if (!owes() || peer_small_ + peer_slots_ == 0) return false;
  if (slots_.urgent >= slot_threshold() || small_.urgent >= kSmallThreshold) return true;
  const bool peer_is_short = small_.left + slots_.left <= 1;
  return peer_is_short && (small_.urgent + slots_.urgent >= 1 || small_.owed + slots_.owed >= 2);
}

RdmaCredits::Grant RdmaCredits::spend() {
  assert(peer_small_ + peer_slots_ > 0);
  --(peer_small_ > 0 ? peer_small_ : peer_slots_);
  return {.data = slots_.grant(), .control = small_.grant()};
}

}  // namespace rdpipe
