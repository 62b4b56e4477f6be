#include "transport/rdma_credits.h"

#include <deque>
#include <random>
#include <vector>

#include "catch.h"
#include "transport/rdma_endpoint.h"

using namespace rdpipe;

namespace {

// One end of a link without a device: its receives in their order, and what it wants to send.
struct End {
  RdmaCredits credits;
  std::deque<bool> receives = std::deque<bool>(kSmallReceives, false);  // true: a slot
  std::deque<FrameHeader> wire;                                         // on the way to this end
  std::size_t data_to_send = 0, control_to_send = 0, data_received = 0, credit_frames = 0;
  std::size_t held_slots = 0;  // with the owner
  bool keeps_slots = false;    // who is slow with them

  void post_slot() {
    receives.push_back(true);
    credits.posted_slot();
  }

  bool send(End& peer, FrameKind kind) {
    const auto grant = credits.spend();
    peer.wire.push_back({.kind = kind, .data_credits = grant.data, .control_credits = grant.control});
    return true;
  }

  bool send_something(End& peer) {
    if (credits.pad_needed()) return send(peer, FrameKind::kPad);
    if (control_to_send > 0 && credits.control_may_go())
      return --control_to_send, send(peer, FrameKind::kControl);
    if (credits.credit_frame_due()) return ++credit_frames, send(peer, FrameKind::kCredit);
    if (control_to_send == 0 && data_to_send > 0 && credits.data_frames() > 0) {
      return --data_to_send, send(peer, FrameKind::kData);
    }
    return false;
  }

  bool receive_something() {
    if (wire.empty()) return false;
    const FrameHeader frame = wire.front();
    wire.pop_front();
    REQUIRE_FALSE(receives.empty());  // else the frame would wait in RNR
    const bool slot = receives.front();
    receives.pop_front();
    REQUIRE((slot ? credits.took_slot() : credits.took_small()));
    REQUIRE(credits.receive_grant(frame));
    if (frame.kind == FrameKind::kData) {
      REQUIRE(slot);
      ++data_received;
      ++held_slots;
    } else if (slot) {
      receives.push_back(true);
      credits.reposted_slot(frame.kind);
    } else if (credits.posts_small()) {
      receives.push_back(false);
      credits.reposted_small(frame.kind);
    }
    return true;
  }
};

// Lets both ends do what they can, in random order, until nothing has moved for so long that nothing
// can. Fails when it never ends.
void run(End& a, End& b, std::mt19937& random) {
  for (int idle = 0, steps = 0; idle < 400; ++steps) {
    REQUIRE(steps < 1000000);
    End& one = random() % 2 == 0 ? a : b;
    End& other = &one == &a ? b : a;
    bool moved = false;
    switch (random() % 3) {
      case 0:
        moved = one.send_something(other);
        break;
      case 1:
        moved = one.receive_something();
        break;
      default:
        moved = one.held_slots > 0 && !one.keeps_slots;
        if (moved) --one.held_slots, one.post_slot();
    }
    idle = moved ? 0 : idle + 1;
  }
}

}  // namespace

TEST_CASE("credits: data one way moves through any ring, down to two slots, with control between") {
  for (unsigned seed = 0; seed < 300; ++seed) {
    std::mt19937 random(seed);
    End sender, receiver;
    const std::size_t slots = 2 + seed % 20;
    sender.control_to_send = receiver.control_to_send = seed % 50;
    run(sender, receiver, random);
    for (std::size_t i = 0; i < slots; ++i) receiver.post_slot();
    sender.data_to_send = 200;
    receiver.control_to_send += seed % 7;
    run(sender, receiver, random);
    sender.control_to_send += 1 + seed % 30;
    receiver.control_to_send += seed % 30;
    run(sender, receiver, random);
    CHECK(receiver.data_received == 200);
    CHECK(sender.control_to_send + receiver.control_to_send == 0);
  }
}

TEST_CASE("credits: a receiver that is slow with all its slots may say as much as it likes") {
  for (unsigned seed = 0; seed < 100; ++seed) {
    std::mt19937 random(seed);
    End sender, receiver;
    for (std::size_t i = 0; i < 3 + seed % 20; ++i) receiver.post_slot();
    receiver.keeps_slots = true;
    sender.data_to_send = 200;
    run(sender, receiver, random);
    receiver.control_to_send = 100;
    run(sender, receiver, random);
    CHECK(receiver.control_to_send == 0);
    receiver.keeps_slots = false;
    run(sender, receiver, random);
    CHECK(receiver.data_received == 200);
  }
}

TEST_CASE("credits: data both ways moves through rings of three slots and more") {
  for (unsigned seed = 0; seed < 300; ++seed) {
    std::mt19937 random(seed);
    End a, b;
    for (std::size_t i = 0; i < 3 + seed % 5; ++i) a.post_slot();
    for (std::size_t i = 0; i < 3 + seed % 11; ++i) b.post_slot();
    a.data_to_send = b.data_to_send = 100;
    a.control_to_send = b.control_to_send = seed % 40;
    run(a, b, random);
    CHECK(a.data_received == 100);
    CHECK(b.data_received == 100);
  }
}

TEST_CASE("credits: an idle link goes quiet") {
  std::mt19937 random(1);
  End a, b;
  a.control_to_send = 1000;
  for (int i = 0; i < 8; ++i) b.post_slot();
  run(a, b, random);
  const std::size_t before = a.credit_frames + b.credit_frames;
  run(a, b, random);
  CHECK(a.credit_frames + b.credit_frames == before);
}

TEST_CASE("credits: a peer that takes what it was not granted, or grants too much, is found out") {
  RdmaCredits credits;
  for (std::size_t i = 0; i < kSmallReceives; ++i) CHECK(credits.took_small());
  CHECK_FALSE(credits.took_small());
  CHECK_FALSE(credits.took_slot());
  CHECK_FALSE(RdmaCredits().receive_grant({.kind = FrameKind::kCredit, .control_credits = 1}));
  RdmaCredits switched;
  CHECK(switched.receive_grant({.kind = FrameKind::kCredit, .data_credits = 4}));
  (void)switched.spend();
  CHECK_FALSE(switched.receive_grant({.kind = FrameKind::kCredit, .control_credits = 1}));
}

TEST_CASE("RDMA greeting: what is no rdpipe is told from what is") {
  auto bytes = encode_greeting({.address = 0x0123456789ABCDEF, .key = 0xFEDCBA98});
  bytes.resize(56);  // padded on the way
  const auto scratch = decode_greeting(bytes);
  REQUIRE(scratch);
  CHECK(scratch->address == 0x0123456789ABCDEF);
  CHECK(scratch->key == 0xFEDCBA98);
  CHECK_FALSE(decode_greeting(std::span(bytes).first(20)));
  bytes[0] ^= std::byte{1};
  CHECK_FALSE(decode_greeting(bytes));
  CHECK_FALSE(decode_greeting({}));
}
