// Who may still send what on an RDMA link: the arithmetic alone, no device. One for each end of a link, used
// by the link's thread.
//
// A queue pair's receives are consumed in the order in which they were posted. Each end first posts
// kSmallReceives small ones (a control frame's size) and posts each anew when it was used. From the first
// slot it is given to receive into, it posts slots only, so in its queue all small receives lie before all
// slots. Every frame takes the next receive, whatever it carries; every frame's header grants the receives
// posted since the frame before. So the other end knows exactly how many small receives and how many slots
// lie ahead, and sends data only when the next receive is a slot: small ones in the way are taken by pads.
//
// Nobody gets stuck. A frame may take the peer's last known receive only if it grants at least one itself,
// and whoever owes grants sends them in a frame of their own (kCredit) when the peer may be short of them.
// Suppose both ends had nothing left and no frame were under way. Look at the last frame of each, which took
// the last receive and so carried a grant. If neither was sent with knowledge of the other, each end has
// received the other's grant since: a contradiction. Otherwise the one sent later has been received by an end
// that sent nothing since, so that end has a receive left: a contradiction.
//   An end that has no slots posted may spend its last on any frame, when the peer posts slots (and
// so keeps the rule): its own small receives are posted anew at once, hence whatever it sends after the
// peer's last frame grants that one back. This lets a ring of two slots move data. In full duplex each ring
// needs three.
//
// Grants cannot call forth grants for ever: a receive taken by a kCredit frame is granted back with the next
// frame, but calls for one of its own only together with a second and when the peer has almost nothing left.
// So a chain of kCredit frames at least halves at every step.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "wire/frame.h"

namespace rdpipe {

constexpr std::size_t kSmallReceives = 16;

class RdmaCredits {
 public:
  struct Grant {
    std::uint16_t data = 0, control = 0;
  };

  // What this end has posted for the peer.
  void posted_slot();                      // given by the owner
  void reposted_slot(FrameKind taken_by);  // posted anew at once: a control or credit frame lay in it
  void reposted_small(FrameKind taken_by);
  // A frame has come. False when the peer had not been granted the receive that it took.
  [[nodiscard]] bool took_slot();
  [[nodiscard]] bool took_small();
  // True when small receives are still posted anew.
  [[nodiscard]] bool posts_small() const { return !posts_slots_; }

  // What the peer has posted for this end. False for a grant that breaks the rules.
  [[nodiscard]] bool receive_grant(const FrameHeader& header);
  // Data frames that may go now.
  [[nodiscard]] std::size_t data_frames() const;
  [[nodiscard]] bool control_may_go() const {
    return peer_small_ + peer_slots_ >= (owes() || may_spend_last() ? 1U : 2U);
  }
  // A small receive lies ahead of slots: send kPad.
  [[nodiscard]] bool pad_needed() const { return peer_small_ > 0 && peer_slots_ > 0; }
  // The peer should hear of its grants now, and a frame can go: send kCredit.
  [[nodiscard]] bool credit_frame_due() const;

  // A frame goes: what its header grants, and the receive that it takes.
  [[nodiscard]] Grant spend();

 private:
  struct Pool {
    std::size_t left = 0;    // granted to the peer and not known to be taken
    std::size_t owed = 0;    // posted, not granted yet
    std::size_t urgent = 0;  // those of `owed` that count: not taken by a kCredit frame

    void post(bool counts) {
      ++owed;
      if (counts) ++urgent;
    }
    [[nodiscard]] bool take() {
      if (left == 0) return false;
      --left;
      return true;
    }
    std::uint16_t grant() {
      const std::size_t now = std::min<std::size_t>(owed, 65535);
      owed -= now;
      left += now;
      urgent = 0;
      return static_cast<std::uint16_t>(now);
    }
  };

  [[nodiscard]] bool may_spend_last() const { return peer_posts_slots_ && !posts_slots_; }
  [[nodiscard]] bool owes() const { return small_.owed + slots_.owed > 0; }
  [[nodiscard]] std::size_t slot_threshold() const { return std::max<std::size_t>(1, window_ / 4); }

  Pool small_{.left = kSmallReceives};
  Pool slots_;
  bool posts_slots_ = false;
  std::size_t window_ = 0;  // most slots that were posted at once
  std::size_t peer_small_ = kSmallReceives;
  std::size_t peer_slots_ = 0;
  std::size_t peer_window_ = 0;  // most slots that were known at once
  bool peer_posts_slots_ = false;
};

}  // namespace rdpipe
