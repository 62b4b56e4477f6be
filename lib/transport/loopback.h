// A pair of links joined in memory, for tests: the contract of Link with a script of faults, so that a
// failure repeats exactly. Frames are copied slot to slot. Each end belongs to the thread of its loop; the
// two loops may be one, or of two threads (what the ends share is behind a lock). An end that is destroyed
// without both sides having closed is a lost link to the other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "transport/link.h"

namespace rdpipe {

enum class FaultAction : std::uint8_t {
  kDrop,            // the connection is lost in place of this frame; what was posted before still arrives
  kCut,             // from this frame on nothing arrives in either direction, until keep-alive notices
  kHold,            // this frame and those behind it wait for release()
  kClose,           // PeerClosed arrives in place of this frame, though its sender never closed
  kCorruptPayload,  // byte `byte` of the payload is inverted
  kCorruptHeader,   // byte `byte` of the header is inverted
};

// Which ends throw for kDrop. One that does not sees silence.
enum class LossSeen : std::uint8_t { kByBoth, kBySender, kByReceiver };

// A frame of one direction: the n-th that was posted of its sort, counted from 0.
struct FramePoint {
  bool control = false;
  std::uint64_t number = 0;
  bool operator==(const FramePoint&) const = default;
};
constexpr FramePoint data_frame(std::uint64_t number) { return {false, number}; }  // holes count too
constexpr FramePoint control_frame(std::uint64_t number) { return {true, number}; }

struct Fault {
  FaultAction action{};
  FramePoint at;
  std::size_t byte = 0;  // for kCorrupt...: its position, taken modulo the size
  LossSeen seen = LossSeen::kByBoth;
};

// FaultScript{.from_first = {{FaultAction::kDrop, data_frame(3)}}}
struct FaultScript {
  std::vector<Fault> from_first{};   // faults of what the first end sends
  std::vector<Fault> from_second{};  // and of what the second end sends
  Nanoseconds delay{0};              // that every frame takes
};

class LoopbackLink final : public Link {
 public:
  ~LoopbackLink() override;

  void attach(Ring& ring) override;
  void post_send(Slot slot) override;
  void post_receive(Slot slot) override;
  void post_control(std::span<const std::byte> bytes) override;
  [[nodiscard]] std::size_t send_credits() const override;
  [[nodiscard]] bool drained() const override;
  [[nodiscard]] std::optional<LinkEvent> poll() override;
  [[nodiscard]] bool peer_closed() const override;
  void close() override;
  void move_to(Loop& loop) override;
  void set_keep_alive(Nanoseconds limit) override;
  [[nodiscard]] const LinkInfo& info() const override { return info_; }

  // What info() calls the other end from now on ("10.0.0.1:12345").
  void set_peer(std::string peer) { info_.peer = std::move(peer); }
  void release();  // lets go of the frames this end's kHold holds back, and of all that follow
  void drop();     // the connection is lost now, for both ends, after what was posted before
  void cut();      // nothing that is posted from now on arrives, in either direction

  struct Cable;  // what the two ends share

 private:
  friend std::pair<std::unique_ptr<LoopbackLink>, std::unique_ptr<LoopbackLink>> make_loopback(
      Loop& first, Loop& second, FaultScript script);
  LoopbackLink(std::shared_ptr<Cable> cable, std::size_t side);

  [[nodiscard]] std::optional<LinkEvent> next_frame();
  [[nodiscard]] LinkEvent receive_data(const std::vector<std::byte>& frame);
  void check_keep_alive();

  std::shared_ptr<Cable> cable_;
  std::size_t side_;  // 0 or 1: its place in the cable
  LinkInfo info_;
  Nanoseconds keep_alive_ = std::chrono::seconds(10);
  std::deque<Slot> posted_;   // for receiving
  std::deque<Slot> sending_;  // until the other end has taken the frame
};

// The first end's loop and the second's; they may be the same. Both outlive the links.
[[nodiscard]] std::pair<std::unique_ptr<LoopbackLink>, std::unique_ptr<LoopbackLink>> make_loopback(
    Loop& first, Loop& second, FaultScript script = {});
[[nodiscard]] inline std::pair<std::unique_ptr<LoopbackLink>, std::unique_ptr<LoopbackLink>> make_loopback(
    Loop& loop, FaultScript script = {}) {
  return make_loopback(loop, loop, std::move(script));
}

}  // namespace rdpipe
