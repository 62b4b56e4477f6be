// A link on one RDMA queue pair. Every frame is one SEND of a 64-byte header and a payload; who may send what
// is rdma_credits.h's. What was posted is kept in the order of posting, which is the order of completion.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ground/exception.h"
#include "io/loop.h"
#include "transport/link.h"
#include "transport/rdma_credits.h"
#include "transport/rdma_endpoint.h"
#include "transport/rdma_watch.h"

namespace rdpipe {

class RdmaLink final : public Link {
 public:
  // `endpoint` is established. Loop's thread.
  RdmaLink(Loop& loop, std::unique_ptr<RdmaEndpoint> endpoint, Nanoseconds keep_alive);
  ~RdmaLink() override;

  void attach(Ring& ring) override;
  void detach(Ring& ring) override;
  void post_send(Slot slot) override;
  void post_receive(Slot slot) override;
  void post_control(std::span<const std::byte> bytes) override;
  [[nodiscard]] std::size_t send_credits() const override;
  [[nodiscard]] bool drained() const override;
  [[nodiscard]] std::optional<LinkEvent> poll() override;
  void wake_for(Wake what) override {
    wake_ = what;
    idle_polls_ = 0;
  }
  [[nodiscard]] bool held_back() const override;
  [[nodiscard]] bool peer_closed() const override { return ended_; }
  void close() override;
  void move_to(Loop& loop) override;
  void set_keep_alive(Nanoseconds limit) override { watch_.set_limit(limit); }
  [[nodiscard]] const LinkInfo& info() const override { return info_; }

 private:
  // Exactly one of slot, control slot and neither (a ping).
  struct PostedSend {
    Slot slot;
    std::optional<std::uint8_t> control;
  };
  struct PostedReceive {
    Slot slot;  // none: a small receive
    std::uint8_t small = 0;
  };

  [[nodiscard]] bool open() const { return !disconnected_ && !disconnecting_ && !failure_; }
  [[nodiscard]] Error error(Status status, const std::string& cause) const;
  void fail(Error error);

  void take_connection_events();
  [[nodiscard]] bool take_completions();
  void take(const Completion& completion);
  void take_send();
  void take_receive(std::size_t length);
  void deliver(PostedReceive posted, const FrameHeader& header, std::size_t payload);
  void repost(PostedReceive posted, FrameKind taken_by);
  void take_failed(const Completion& completion);
  void note_end();

  void flush();
  void post_waiting_receives();
  void post_to_device(Slot slot);
  void send_control(FrameKind kind, std::span<const std::byte> payload);
  void disconnect_when_done();
  [[nodiscard]] Segment segment(std::span<std::byte> bytes) const;
  void prepare_to_sleep();
  void watch_peer();

  Loop* loop_;
  std::unique_ptr<RdmaEndpoint> endpoint_;
  std::vector<MemoryRegion> regions_;  // of the attached rings
  LinkInfo info_;
  RdmaCredits credits_;

  std::deque<PostedSend> sends_;
  std::deque<PostedReceive> receives_;
  std::deque<Slot> waiting_receives_;  // the device's receive queue is full
  std::deque<std::vector<std::byte>> waiting_control_;
  std::vector<std::uint8_t> free_control_sends_;
  std::deque<LinkEvent> events_;
  std::array<Completion, 16> batch_;  // as many as are taken at once
  std::size_t pings_ = 0;             // among sends_

  Wake wake_ = Wake::kAll;
  std::optional<Wake> announced_;  // what the device will announce: the next completion, or the next arrival
  bool asleep_ = false;            // and there was none when last asked: the watch tells
  bool closing_ = false;           // close() was called
  bool disconnecting_ = false;     // this end has ended the connection
  bool disconnected_ = false;      // the connection manager says so
  bool ended_ = false;             // PeerClosed was given
  bool flushed_ = false;           // the queue pair is down, nobody has said why yet
  bool lost_ = false;              // a frame was posted and did not arrive
  std::optional<Error> failure_;

  RdmaWatch watch_;
  unsigned idle_polls_ = 0;  // of a thread that does not sleep, since it last said so

  // Last, so that they go first: what they watch is the endpoint's.
  std::optional<Watch> connection_watch_, completion_watch_;
};

}  // namespace rdpipe
