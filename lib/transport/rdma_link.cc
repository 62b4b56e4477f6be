#include "transport/rdma_link.h"

#include <poll.h>

#include <algorithm>
#include <cassert>
#include <utility>

#include "ground/error.h"

namespace rdpipe {
namespace {

// A peer that sends nothing but frames without events must not keep the thread.
constexpr int kBatchesInARow = 16;
constexpr unsigned kPollsPerLook = 64;  // at the clock, of a thread that does not sleep

LinkInfo describe(const ConnectionId& id) {
  const SocketAddress local = socket_address(id.local()), peer = socket_address(id.peer());
  return {.fabric = Fabric::kRdma,
          .device = id.device_name(),
          .local = local.text(),
          .peer = peer.text(),
          .same_host = local.same_address(peer) || !interface_of(peer).empty()};
}

}  // namespace

RdmaLink::RdmaLink(Loop& loop, std::unique_ptr<RdmaEndpoint> endpoint, Nanoseconds keep_alive)
    : loop_(&loop), endpoint_(std::move(endpoint)), info_(describe(endpoint_->id())), watch_(keep_alive) {
  for (std::uint8_t i = 0; i < kSmallReceives; ++i) receives_.push_back({.slot = {}, .small = i});
  for (std::uint8_t i = 0; i < kControlSends; ++i) free_control_sends_.push_back(i);
}

RdmaLink::~RdmaLink() {
  connection_watch_.reset();
  completion_watch_.reset();
  endpoint_->shut_down();  // before the slots go home
}

Error RdmaLink::error(Status status, const std::string& cause) const {
  return Error(status, "connection to " + info_.peer, cause);
}

void RdmaLink::fail(Error error) {
  if (!failure_) failure_ = std::move(error);
}

void RdmaLink::attach(Ring& ring) {
  regions_.emplace_back(endpoint_->domain(), ring.memory(), Access::kLocal);
  ring.attach_device();
}

void RdmaLink::detach(Ring& ring) {
  std::erase_if(regions_, [&](const MemoryRegion& one) { return one.holds(ring.memory().data()); });
}

Segment RdmaLink::segment(std::span<std::byte> bytes) const {
  const auto region = std::find_if(regions_.begin(), regions_.end(),
                                   [&](const MemoryRegion& one) { return one.holds(bytes.data()); });
  assert(region != regions_.end() && "the slot's ring was not attached");
  return {.address = bytes.data(), .length = bytes.size(), .key = region->local_key()};
}

void RdmaLink::post_send(Slot slot) {
  assert(send_credits() > 0);
  const RdmaCredits::Grant grant = credits_.spend();
  encode_credits(grant.data, grant.control, slot.header());
  const std::array parts = {segment(slot.header()), segment(slot.filled())};
  sends_.push_back({.slot = std::move(slot), .control = {}});
  const std::size_t count = parts[1].length > 0 ? 2 : 1;
  endpoint_->queue().post_send(kSendRequest, std::span(parts).first(count));
}

void RdmaLink::post_to_device(Slot slot) {
  const std::array parts = {segment(slot.header()), segment(slot.payload())};
  receives_.push_back({.slot = std::move(slot), .small = 0});
  endpoint_->queue().post_receive(kReceiveRequest, parts);
}

void RdmaLink::post_receive(Slot slot) {
  waiting_receives_.push_back(std::move(slot));
  post_waiting_receives();
  if (open() && credits_.credit_frame_due()) loop_->wake_now();  // poll() sends it; no descriptor says so
}

void RdmaLink::post_waiting_receives() {
  if (!open()) return;
  while (!waiting_receives_.empty() && receives_.size() < endpoint_->depths().receives) {
    Slot slot = std::move(waiting_receives_.front());
    waiting_receives_.pop_front();
    post_to_device(std::move(slot));
    credits_.posted_slot();
  }
}

void RdmaLink::post_control(std::span<const std::byte> bytes) {
  assert(!bytes.empty() && bytes.size() <= kMaxControlPayload && !closing_);
  waiting_control_.emplace_back(bytes.begin(), bytes.end());
  flush();
}

void RdmaLink::send_control(FrameKind kind, std::span<const std::byte> payload) {
  const std::uint8_t index = free_control_sends_.back();
  free_control_sends_.pop_back();
  Segment segment = endpoint_->control_send(index);
  const RdmaCredits::Grant grant = credits_.spend();
  const std::span<std::byte> memory(segment.address, segment.length);
  encode(FrameHeader{.kind = kind,
                     .data_credits = grant.data,
                     .control_credits = grant.control,
                     .length = payload.size(),
                     .raw_length = static_cast<std::uint32_t>(payload.size())},
         memory.first<kFrameHeaderSize>());
  std::copy(payload.begin(), payload.end(), memory.begin() + kFrameHeaderSize);
  segment.length = kFrameHeaderSize + payload.size();
  sends_.push_back({.slot = {}, .control = index});
  endpoint_->queue().post_send(kSendRequest, {&segment, 1});
}

// Room for every control frame and a ping is kept free of data.
std::size_t RdmaLink::send_credits() const {
  if (!open() || closing_ || !waiting_control_.empty()) return 0;
  const std::size_t room = endpoint_->depths().sends - kControlSends - 1;
  return std::min(credits_.data_frames(), room - std::min(room, sends_.size()));
}

bool RdmaLink::drained() const { return !lost_ && waiting_control_.empty() && sends_.size() == pings_; }

void RdmaLink::close() {
  closing_ = true;
  flush();
}

void RdmaLink::move_to(Loop& loop) {
  connection_watch_.reset();  // the new loop's thread makes its own, at its first poll()
  completion_watch_.reset();
  asleep_ = false;
  loop_ = &loop;
}

bool RdmaLink::held_back() const {
  return !waiting_control_.empty() || (open() && credits_.credit_frame_due());
}

// Does what was put off for lack of credits or room.
void RdmaLink::flush() {
  post_waiting_receives();
  if (!open()) return;
  while (credits_.pad_needed() && !free_control_sends_.empty()) send_control(FrameKind::kPad, {});
  while (!waiting_control_.empty() && credits_.control_may_go() && !free_control_sends_.empty()) {
    send_control(FrameKind::kControl, waiting_control_.front());
    waiting_control_.pop_front();
  }
  if (credits_.credit_frame_due() && !free_control_sends_.empty()) send_control(FrameKind::kCredit, {});
  if (closing_) disconnect_when_done();
}

// A send that has completed is in the peer's memory: only then may the queue pair go down.
void RdmaLink::disconnect_when_done() {
  if (!drained()) return;
  disconnecting_ = true;
  endpoint_->id().disconnect();
}

std::optional<LinkEvent> RdmaLink::poll() {
  if (!connection_watch_) {
    connection_watch_.emplace(*loop_, endpoint_->channel().fd());
    completion_watch_.emplace(*loop_, endpoint_->completions().fd());
  }
  if (!events_.empty()) flush();  // grants do not wait for all that came with this batch
  for (int batches = 0; events_.empty() && !ended_; ++batches) {
    if (failure_) throw *failure_;
    if (batches == kBatchesInARow) {
      loop_->wake_now();
      return {};
    }
    if (!connection_watch_->armed()) take_connection_events();
    const bool came = take_completions();
    flush();
    if (came) continue;
    if (disconnected_) {
      note_end();
    } else if (events_.empty() && !failure_) {
      prepare_to_sleep();
      if (!failure_) return {};
    }
  }
  return take_first(events_);
}

void RdmaLink::take_connection_events() {
  while (const auto event = endpoint_->channel().take()) {
    switch (event->kind) {
      case ConnectionEventKind::kDisconnected:
      case ConnectionEventKind::kTimewaitExit:
        disconnected_ = true;
        endpoint_->id().disconnect();  // the peer waits for the answer
        break;
      case ConnectionEventKind::kDeviceRemoved:
        fail(error(Status::kNetwork, "the RDMA device '" + info_.device + "' was removed"));
        break;
      default:
        break;
    }
  }
  connection_watch_->arm(POLLIN);
}

// Takes what the device has. True when something came: there may be more. Once there is nothing, asks for an
// announcement, looks again (what came before it was asked for is not announced), and leaves the device alone
// until the watch has seen the announcement, where that is of everything.
bool RdmaLink::take_completions() {
  CompletionQueue& queue = endpoint_->completions();
  if (asleep_ && !disconnected_) {  // what completed before the end may not have been announced yet
    if (!completion_watch_->armed()) {
      asleep_ = false;
      announced_.reset();  // it is taken before the next is asked for: what has come does not wait for that
    } else if (wake_ == Wake::kAll && announced_ == Wake::kAll) {
      return false;
    }
  }
  std::size_t count = queue.take(batch_);
  const bool must_ask =
      wake_ != Wake::kNever && (!announced_ || (*announced_ != wake_ && wake_ == Wake::kAll));
  if (count == 0 && must_ask) {
    if (!announced_) static_cast<void>(queue.take_announcement());
    queue.announce(wake_ == Wake::kArrivals ? Announce::kSolicited : Announce::kAll);
    announced_ = wake_;
    count = queue.take(batch_);
  }
  for (const Completion& completion : std::span(batch_).first(count)) {
    if (!failure_) take(completion);
  }
  if (count > 0) return true;
  if (wake_ == Wake::kNever) return false;
  completion_watch_->arm(POLLIN);
  asleep_ = true;
  return false;
}

void RdmaLink::take(const Completion& completion) {
  if (completion.id == kSendRequest ? sends_.empty() : receives_.empty()) {
    if (open()) fail(error(Status::kNetwork, "the RDMA device reports the completion of nothing"));
    return;
  }
  if (completion.status != CompletionStatus::kSuccess) return take_failed(completion);
  if (completion.id == kSendRequest) {
    watch_.hear_arrival();
    take_send();
  } else {
    watch_.hear_frame();
    take_receive(completion.length);
  }
}

void RdmaLink::take_send() {
  PostedSend sent = std::move(sends_.front());
  sends_.pop_front();
  if (sent.slot) {
    events_.emplace_back(Sent{std::move(sent.slot)});
  } else if (sent.control) {
    free_control_sends_.push_back(*sent.control);
  } else {
    --pings_;
  }
}

void RdmaLink::take_receive(std::size_t length) {
  PostedReceive posted = std::move(receives_.front());
  receives_.pop_front();
  const std::span<std::byte, kFrameHeaderSize> bytes =
      posted.slot ? posted.slot.header()
                  : std::span<std::byte, kFrameHeaderSize>(endpoint_->small_receive(posted.small).address,
                                                           kFrameHeaderSize);
  const auto header = length >= kFrameHeaderSize ? decode_frame(bytes) : std::nullopt;
  if (!header) return fail(error(Status::kDamaged, "the peer sent a frame that is none"));
  const bool granted = posted.slot ? credits_.took_slot() : credits_.took_small();
  if (!granted || !credits_.receive_grant(*header)) {
    return fail(error(Status::kDamaged, "the peer breaks the rules of flow control"));
  }
  deliver(std::move(posted), *header, length - kFrameHeaderSize);
}

void RdmaLink::deliver(PostedReceive posted, const FrameHeader& header, std::size_t payload) {
  switch (header.kind) {
    case FrameKind::kData:
    case FrameKind::kHole:
      if (!posted.slot) return fail(error(Status::kDamaged, "the peer sent data before it was asked for"));
      posted.slot.resize(payload);
      events_.emplace_back(Received{std::move(posted.slot), header});
      return;
    case FrameKind::kControl: {
      if (payload == 0 || payload > kMaxControlPayload) {
        return fail(error(Status::kDamaged, "the peer sent a control frame of a size that is not allowed"));
      }
      const std::byte* bytes = posted.slot
                                   ? posted.slot.payload().data()
                                   : endpoint_->small_receive(posted.small).address + kFrameHeaderSize;
      events_.emplace_back(Control{{bytes, bytes + payload}});
      break;
    }
    default:
      break;
  }
  repost(std::move(posted), header.kind);
}

void RdmaLink::repost(PostedReceive posted, FrameKind taken_by) {
  if (!open()) return;  // the slot goes home
  if (posted.slot) {
    post_to_device(std::move(posted.slot));
    credits_.reposted_slot(taken_by);
  } else if (credits_.posts_small()) {
    endpoint_->post_small_receive(posted.small);
    receives_.push_back(std::move(posted));
    credits_.reposted_small(taken_by);
  }
}

// A failed request has brought the queue pair down and the device lets go of the memory. When the connection
// is over anyway that is no news.
void RdmaLink::take_failed(const Completion& completion) {
  if (completion.id == kSendRequest) {
    const bool ping = !sends_.front().slot && !sends_.front().control;
    if (ping) --pings_;
    lost_ = lost_ || !ping;
    sends_.pop_front();
  } else {
    receives_.pop_front();
  }
  if (!disconnected_) take_connection_events();
  if (!open()) return;
  switch (completion.status) {
    case CompletionStatus::kFlushed:
      flushed_ = true;  // the reason comes as an event of the connection
      return;
    case CompletionStatus::kTooLong:
      return fail(error(Status::kDamaged, "the peer sent a frame that is too long"));
    case CompletionStatus::kNoAnswer:
      return fail(error(Status::kNetwork, "the peer's NIC no longer answers"));
    case CompletionStatus::kNoReceive:
      return fail(error(Status::kNetwork, "the peer takes no frames, although it has granted them"));
    case CompletionStatus::kRefusedByPeer:
      return fail(
          error(Status::kNetwork, "the peer's NIC refuses a frame: " + completion_text(completion.code)));
    default:
      return fail(error(Status::kNetwork, "the RDMA device reports: " + completion_text(completion.code)));
  }
}

void RdmaLink::note_end() {
  events_.emplace_back(PeerClosed{});
  ended_ = true;
}

void RdmaLink::prepare_to_sleep() {
  if (disconnecting_)
    return;  // the connection manager sees to it that the peer's answer, or none, is heard of
  if (wake_ == Wake::kNever && idle_polls_++ % kPollsPerLook != 0) return;  // the clock is not for nothing
  watch_peer();
  if (!failure_) loop_->wake_at(Deadline::at(watch_.next_tick()));
}

void RdmaLink::watch_peer() {
  const Clock::time_point now = Clock::now();
  if (now < watch_.next_tick()) return;
  if (flushed_) return fail(error(Status::kNetwork, "the RDMA device has shut the connection down"));
  switch (watch_.look(now, !sends_.empty(), endpoint_->peer_pings())) {
    case RdmaWatch::Finding::kNothing:
      return;
    case RdmaWatch::Finding::kPing:
      sends_.emplace_back();
      ++pings_;
      return endpoint_->post_ping(kSendRequest);
    case RdmaWatch::Finding::kDead:
      return fail(error(Status::kNetwork, "the peer's NIC no longer answers"));
    case RdmaWatch::Finding::kStuck:
      return fail(Error(Status::kNetwork, "connection to " + info_.peer,
                        "the peer's NIC answers, but no frame reaches it",
                        "a path on which one MTU is too small loses large packets alone"));
  }
}

}  // namespace rdpipe
