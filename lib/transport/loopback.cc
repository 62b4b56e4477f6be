#include "transport/loopback.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <mutex>

#include "ground/error.h"
#include "io/loop.h"

namespace rdpipe {
namespace {

enum class Sort : std::uint8_t { kData, kControl, kClosed, kLost };

struct InFlight {
  Sort sort{};
  std::vector<std::byte> bytes{};  // data: header and payload; control: payload
  Deadline due = Deadline::now();
  bool held = false;
};

// What one end sends and the other takes.
struct Direction {
  std::vector<Fault> faults;
  std::deque<InFlight> queue;
  std::uint64_t data_posted = 0, control_posted = 0;
  std::size_t credits = 0;       // data frames the taker has granted
  std::size_t acknowledged = 0;  // data frames taken, of which the sender was not told yet
  bool holding = false;
  bool ended = false;  // closed or lost: nothing that is posted from now on arrives
};

[[noreturn]] void throw_lost(const char* cause) {
  throw Error(Status::kNetwork, "connection to loopback", cause);
}

}  // namespace

struct LoopbackLink::Cable {
  mutable std::mutex mutex;
  std::array<Direction, 2> from;         // [side]: what that side sends
  std::array<Loop*, 2> loops{};          // null once that end is gone
  std::array<bool, 2> closed{};          // that side has closed
  std::array<bool, 2> saw_end{};         // that side was told PeerClosed
  std::optional<Clock::time_point> cut;  // since when nothing arrives
  Nanoseconds delay{0};

  // All of these with the lock held.
  void wake(std::size_t side) {
    if (loops[side] != nullptr) loops[side]->notify();
  }
  void append(std::size_t side, InFlight frame) {
    Direction& way = from[side];
    if (cut || way.ended) return;
    if (delay > Nanoseconds(0)) frame.due = Deadline::in(delay);
    frame.held = way.holding;
    way.ended = frame.sort == Sort::kClosed || frame.sort == Sort::kLost;
    way.queue.push_back(std::move(frame));
    wake(1 - side);
  }
  void begin_cut() {
    if (!cut) cut = Clock::now();
    wake(0);
    wake(1);
  }
  void lose(std::size_t sender, LossSeen seen) {
    if (seen != LossSeen::kBySender) append(sender, {.sort = Sort::kLost});
    if (seen != LossSeen::kByReceiver) append(1 - sender, {.sort = Sort::kLost});
    from[0].ended = from[1].ended = true;
  }
  void post(std::size_t side, FramePoint point, InFlight frame);
  bool apply(const Fault& fault, std::size_t side, InFlight& frame);
};

// False when the frame does not go any further.
bool LoopbackLink::Cable::apply(const Fault& fault, std::size_t side, InFlight& frame) {
  const auto invert = [&](std::size_t begin, std::size_t end) {
    if (end > begin) frame.bytes[begin + fault.byte % (end - begin)] ^= std::byte{0xFF};
  };
  const std::size_t header = frame.sort == Sort::kData ? kFrameHeaderSize : 0;
  switch (fault.action) {
    case FaultAction::kDrop:
      lose(side, fault.seen);
      return false;
    case FaultAction::kCut:
      begin_cut();
      return false;
    case FaultAction::kClose:
      append(side, {.sort = Sort::kClosed});
      return false;
    case FaultAction::kHold:
      from[side].holding = true;
      return true;
    case FaultAction::kCorruptPayload:
      invert(header, frame.bytes.size());
      return true;
    case FaultAction::kCorruptHeader:
      invert(0, header);
      return true;
  }
  return true;
}

void LoopbackLink::Cable::post(std::size_t side, FramePoint point, InFlight frame) {
  for (const Fault& fault : from[side].faults) {
    if (fault.at == point && !apply(fault, side, frame)) return;
  }
  append(side, std::move(frame));
}

std::pair<std::unique_ptr<LoopbackLink>, std::unique_ptr<LoopbackLink>> make_loopback(Loop& first,
                                                                                      Loop& second,
                                                                                      FaultScript script) {
  auto cable = std::make_shared<LoopbackLink::Cable>();
  cable->from[0].faults = std::move(script.from_first);
  cable->from[1].faults = std::move(script.from_second);
  cable->loops = {&first, &second};
  cable->delay = script.delay;
  return {std::unique_ptr<LoopbackLink>(new LoopbackLink(cable, 0)),
          std::unique_ptr<LoopbackLink>(new LoopbackLink(cable, 1))};
}

LoopbackLink::LoopbackLink(std::shared_ptr<Cable> cable, std::size_t side)
    : cable_(std::move(cable)),
      side_(side),
      info_{.fabric = Fabric::kLoopback,
            .device = {},
            .local = side == 0 ? "loopback:1" : "loopback:2",
            .peer = side == 0 ? "loopback:2" : "loopback:1",
            .same_host = true} {}

LoopbackLink::~LoopbackLink() {
  const std::lock_guard lock(cable_->mutex);
  cable_->loops[side_] = nullptr;
  // After both have closed this is the good end; before, what was posted is lost with this end.
  if (!cable_->closed[side_]) cable_->append(side_, {.sort = Sort::kLost});
}

void LoopbackLink::attach(Ring&) {}

void LoopbackLink::post_send(Slot slot) {
  assert(send_credits() > 0 && slot);
  InFlight frame{.sort = Sort::kData};
  frame.bytes.reserve(kFrameHeaderSize + slot.size());
  frame.bytes.insert(frame.bytes.end(), slot.header().begin(), slot.header().end());
  frame.bytes.insert(frame.bytes.end(), slot.filled().begin(), slot.filled().end());
  sending_.push_back(std::move(slot));
  const std::lock_guard lock(cable_->mutex);
  Direction& way = cable_->from[side_];
  --way.credits;
  cable_->post(side_, data_frame(way.data_posted++), std::move(frame));
}

void LoopbackLink::post_receive(Slot slot) {
  posted_.push_back(std::move(slot));
  const std::lock_guard lock(cable_->mutex);
  if (cable_->cut || cable_->from[side_].ended) return;
  ++cable_->from[1 - side_].credits;
  cable_->wake(1 - side_);
}

void LoopbackLink::post_control(std::span<const std::byte> bytes) {
  assert(!bytes.empty() && bytes.size() <= kMaxControlPayload);
  const std::lock_guard lock(cable_->mutex);
  Direction& way = cable_->from[side_];
  cable_->post(side_, control_frame(way.control_posted++),
               {.sort = Sort::kControl, .bytes = {bytes.begin(), bytes.end()}});
}

std::size_t LoopbackLink::send_credits() const {
  const std::lock_guard lock(cable_->mutex);
  return cable_->from[side_].credits;
}

bool LoopbackLink::drained() const {
  const std::lock_guard lock(cable_->mutex);
  return sending_.empty() && cable_->from[side_].queue.empty();
}

std::optional<LinkEvent> LoopbackLink::poll() {
  const std::lock_guard lock(cable_->mutex);
  Direction& mine = cable_->from[side_];
  if (mine.acknowledged > 0) {
    --mine.acknowledged;
    Slot slot = std::move(sending_.front());
    sending_.pop_front();
    return Sent{std::move(slot)};
  }
  auto event = next_frame();
  if (!event) check_keep_alive();
  return event;
}

// With the lock held, as the next two.
std::optional<LinkEvent> LoopbackLink::next_frame() {
  Direction& way = cable_->from[1 - side_];
  if (way.queue.empty() || way.queue.front().held) return {};
  if (!way.queue.front().due.passed()) {
    cable_->loops[side_]->wake_at(way.queue.front().due);
    return {};
  }
  if (way.queue.front().sort == Sort::kLost) throw_lost("Connection reset by peer");
  const InFlight frame = std::move(way.queue.front());
  way.queue.pop_front();
  cable_->wake(1 - side_);  // it may be waiting for Sent, or for drained()
  if (frame.sort == Sort::kClosed) {
    cable_->saw_end[side_] = true;
    return PeerClosed{};
  }
  if (frame.sort == Sort::kControl) return Control{frame.bytes};
  ++way.acknowledged;
  return receive_data(frame.bytes);
}

LinkEvent LoopbackLink::receive_data(const std::vector<std::byte>& frame) {
  const auto bytes = std::span(frame);
  const auto header = decode_frame(bytes.first<kFrameHeaderSize>());
  if (!header) throw Error(Status::kDamaged, "connection to loopback", "malformed frame header");
  assert(!posted_.empty() && "a credit stands for a posted slot");
  Slot slot = std::move(posted_.front());
  posted_.pop_front();
  const auto payload = bytes.subspan(kFrameHeaderSize);
  if (payload.size() > slot.payload().size()) {
    throw Error(Status::kDamaged, "connection to loopback", "a frame larger than the slot it was sent to");
  }
  std::copy_n(bytes.begin(), kFrameHeaderSize, slot.header().begin());
  std::copy(payload.begin(), payload.end(), slot.payload().begin());
  slot.resize(payload.size());
  return Received{std::move(slot), *header};
}

void LoopbackLink::check_keep_alive() {
  if (!cable_->cut || cable_->saw_end[side_]) return;
  const auto limit = Deadline::at(*cable_->cut + keep_alive_);
  if (limit.passed()) throw_lost("Connection timed out");
  cable_->loops[side_]->wake_at(limit);
}

bool LoopbackLink::peer_closed() const {
  const std::lock_guard lock(cable_->mutex);
  return cable_->saw_end[side_];
}

void LoopbackLink::close() {
  const std::lock_guard lock(cable_->mutex);
  if (std::exchange(cable_->closed[side_], true)) return;
  cable_->append(side_, {.sort = Sort::kClosed});
}

void LoopbackLink::move_to(Loop& loop) {
  const std::lock_guard lock(cable_->mutex);
  cable_->loops[side_] = &loop;
  cable_->wake(side_);
}

void LoopbackLink::set_keep_alive(Nanoseconds limit) {
  const std::lock_guard lock(cable_->mutex);
  keep_alive_ = limit;
  cable_->wake(side_);
}

void LoopbackLink::release() {
  const std::lock_guard lock(cable_->mutex);
  Direction& way = cable_->from[side_];
  way.holding = false;
  for (InFlight& frame : way.queue) frame.held = false;
  cable_->wake(1 - side_);
}

void LoopbackLink::drop() {
  const std::lock_guard lock(cable_->mutex);
  cable_->lose(side_, LossSeen::kByBoth);
}

void LoopbackLink::cut() {
  const std::lock_guard lock(cable_->mutex);
  cable_->begin_cut();
}

}  // namespace rdpipe
