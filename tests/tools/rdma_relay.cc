// Somebody on the path between a connector and a listener over RDMA.
#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <deque>
#include <fstream>
#include <optional>
#include <utility>

#include "ground/error.h"
#include "ring/ring.h"
#include "tools/rdma_attacker.h"
#include "wire/integers.h"

namespace rdpipe {
namespace {

using namespace literals;

enum Party : std::uint8_t { kConnector, kListener };

// Data or a hole where there is a slot.
struct Frame {
  Slot slot;
  Bytes control;

  [[nodiscard]] bool is_data() const {
    return slot && slot.header()[0] == static_cast<std::byte>(FrameKind::kData);
  }
  [[nodiscard]] std::span<std::byte> payload() { return slot ? slot.filled() : std::span(control); }
};

// What has passed so far on one connection, and what is done to the next frame. END is the connector's first
// control frame after its data, COMMITTED the listener's first after END. Credits and pads are each link's
// own.
class Conversation {
 public:
  Conversation(const std::string& deed, Ring& ring)
      : verb_(deed.substr(0, deed.find('-'))), victim_(deed.substr(deed.find('-') + 1)), ring_(ring) {}

  [[nodiscard]] bool cut() const { return cut_; }  // nothing passes any more, in either direction

  // Adds to `out` what goes on in place of `frame`.
  void pass(Party sender, Frame frame, std::deque<Frame>& out) {
    if (cut_) return;
    const std::string name = name_of(sender, frame);
    Frame late = held_.slot && frame.is_data() ? std::exchange(held_, {}) : Frame{};
    if (name == victim_) attack(frame, out);
    if (frame.slot || !frame.control.empty()) out.push_back(std::move(frame));
    if (late.slot) out.push_back(std::move(late));
  }

 private:
  std::string name_of(Party sender, const Frame& frame) {
    const bool first = frames_[sender]++ == 0;
    if (frame.is_data()) return fmt::format("data{}", ++data_frames_);
    if (first) return sender == kConnector ? "hello" : "answer";
    if (frame.slot) return "hole";
    if (sender == kConnector && data_frames_ > 0 && !std::exchange(ended_, true)) return "end";
    if (sender == kListener && ended_ && !std::exchange(answered_, true)) return "committed";
    return "control";
  }

  void attack(Frame& frame, std::deque<Frame>& out) {
    cut_ = verb_ == "last" || verb_ == "cut";
    if (verb_ == "alter") {
      frame.payload().back() ^= std::byte{1};
    } else if (verb_ == "move") {
      frame.slot.header()[23] ^= std::byte{1};  // its offset in the stream
    } else if (verb_ == "unseal") {
      frame.slot.header()[1] &= ~std::byte{kFlagSealed};
    } else if (verb_ == "repeat") {
      out.push_back(copy_of(frame));
    } else if (verb_ == "delay") {  // until after the next data frame
      held_ = std::exchange(frame, {});
    } else if (verb_ != "last") {
      frame = {};
    }
  }

  [[nodiscard]] Frame copy_of(const Frame& frame) {
    auto slot = ring_.acquire();
    if (!slot) throw Error(Status::kMemory, "repeat a frame", "no slot is free");
    slot->resize(frame.slot.size());
    std::memcpy(slot->header().data(), frame.slot.header().data(), kFrameHeaderSize);
    std::memcpy(slot->filled().data(), frame.slot.filled().data(), frame.slot.size());
    return {.slot = std::move(*slot), .control = {}};
  }

  std::string verb_, victim_;
  Ring& ring_;
  std::array<unsigned, 2> frames_{};  // of all kinds, by who sent them
  unsigned data_frames_ = 0;
  bool ended_ = false;     // END has passed
  bool answered_ = false;  // and COMMITTED
  bool cut_ = false;
  Frame held_;
};

struct End {
  std::unique_ptr<Link> link;
  std::deque<Frame> waiting;  // to be posted here
  bool closed = false;        // by this program
  bool gone = false;
};

// As `attacker` writes it: the length in front of each frame.
void write_frame(std::ofstream& record, const Frame& frame, std::span<const std::byte> payload) {
  std::array<std::byte, kFrameHeaderSize> header;
  encode({.kind = FrameKind::kControl}, header);
  if (frame.slot) std::memcpy(header.data(), frame.slot.header().data(), header.size());
  const be32 length = static_cast<std::uint32_t>(header.size() + payload.size());
  record.write(reinterpret_cast<const char*>(&length), sizeof length);
  record.write(reinterpret_cast<const char*>(header.data()), header.size());
  record.write(reinterpret_cast<const char*>(payload.data()), static_cast<std::streamsize>(payload.size()));
  record.flush();
}

void take_frames(Party sender, End& source, End& target, Conversation& conversation,
                 std::ofstream& record) try {
  while (auto event = source.gone ? std::nullopt : source.link->poll()) {
    Frame frame;
    if (auto* received = std::get_if<Received>(&*event)) frame.slot = std::move(received->slot);
    if (auto* control = std::get_if<Control>(&*event)) frame.control = std::move(control->bytes);
    if (std::holds_alternative<PeerClosed>(*event)) source.gone = true;
    if (!frame.slot && frame.control.empty()) continue;
    if (sender == kConnector && record.is_open()) write_frame(record, frame, frame.payload());
    conversation.pass(sender, std::move(frame), target.waiting);
  }
} catch (const Error& error) {
  if (error.status() != Status::kNetwork) throw;
  source.gone = true;
}

// Closes the target after the last frame that it gets.
void give_frames(const End& source, End& target, const Conversation& conversation) {
  if (target.gone) target.waiting.clear();
  while (!target.waiting.empty()) {
    Frame& frame = target.waiting.front();
    if (!frame.slot) {
      target.link->post_control(frame.control);
    } else if (target.link->send_credits() > 0) {
      target.link->post_send(std::move(frame.slot));
    } else {
      return;
    }
    target.waiting.pop_front();
  }
  if ((source.gone || conversation.cut()) && !std::exchange(target.closed, true)) target.link->close();
}

}  // namespace

void relay(const std::string& host, const std::string& port, const std::string& deed,
           const std::string& path) {
  constexpr std::size_t kSpare = 2;  // slots to keep and to copy frames in
  Loop loop;
  Ring ring({.slot_size = 1_MiB, .slots = 16});
  Conversation conversation(deed, ring);
  std::ofstream record;
  if (!path.empty()) record.open(path, std::ios::binary);
  End client{.link = accept_one(loop, host), .waiting = {}};
  End server{.link = dial(loop, host, port), .waiting = {}};
  client.link->attach(ring);
  server.link->attach(ring);
  for (;; sleep(loop)) {
    take_frames(kConnector, client, server, conversation, record);
    take_frames(kListener, server, client, conversation, record);
    give_frames(client, server, conversation);
    give_frames(server, client, conversation);
    if (client.gone && server.gone) return;
    while (!client.gone && !client.closed && ring.free_slots() > kSpare) {
      client.link->post_receive(std::move(*ring.acquire()));
    }
  }
}

}  // namespace rdpipe
