// The contract of Link, over every kind that needs no device.
#include "links.h"

namespace rdpipe {
namespace {

TEST_CASE("frames arrive in the order in which they were posted") {
  Pair pair(GENERATE(Kind::kTcp, Kind::kLoopback));
  pair.b.post_receives(4);
  pair.await_credits(pair.a, 4);
  pair.a.control("one");
  pair.a.send(0, "two");
  pair.a.send(1, "");
  pair.a.control("three");
  pair.a.send(2, std::string(4096, 'x'));
  REQUIRE(text_of(pair.next_of<Control>(pair.b).bytes) == "one");
  const Received two = pair.next_of<Received>(pair.b);
  REQUIRE(text_of(two.slot.filled()) == "two");
  const Received hole = pair.next_of<Received>(pair.b);
  REQUIRE(hole.header.kind == FrameKind::kHole);
  REQUIRE(hole.header.length == 4096);
  REQUIRE(hole.slot.size() == 0);
  REQUIRE(text_of(pair.next_of<Control>(pair.b).bytes) == "three");
  const Received last = pair.next_of<Received>(pair.b);
  REQUIRE(last.header.sequence == 2);
  REQUIRE(decode_frame(last.slot.header())->sequence == 2);
  REQUIRE(text_of(last.slot.filled()) == std::string(4096, 'x'));
}

TEST_CASE("one posted receive is one credit") {
  Pair pair(GENERATE(Kind::kTcp, Kind::kLoopback));
  REQUIRE(pair.a.link->send_credits() == 0);
  pair.b.post_receives(2);
  pair.await_credits(pair.a, 2);
  pair.a.send(0, "x");
  REQUIRE(pair.a.link->send_credits() == 1);
  pair.a.send(1, "y");
  REQUIRE(pair.a.link->send_credits() == 0);
  for (int i = 0; i < 2; ++i) pair.b.link->post_receive(pair.next_of<Received>(pair.b).slot);
  pair.await_credits(pair.a, 2);
}

TEST_CASE("a receiver that holds all but one slot still grants that one") {
  Pair pair(GENERATE(Kind::kTcp, Kind::kLoopback));
  pair.b.post_receives(8);
  pair.await_credits(pair.a, 8);
  for (std::uint64_t i = 0; i < 8; ++i) pair.a.send(i, "x");
  std::vector<Received> held;
  for (int i = 0; i < 8; ++i) held.push_back(pair.next_of<Received>(pair.b));
  for (int i = 0; i < 3; ++i) {
    pair.b.link->post_receive(std::move(held.back().slot));
    held.pop_back();
    pair.await_credits(pair.a, 1);
    static_cast<void>(pair.next_of<Sent>(pair.a));
    pair.a.send(0, "y");
    held.push_back(pair.next_of<Received>(pair.b));
  }
}

TEST_CASE("control frames of the largest size pass without any credit") {
  Pair pair(GENERATE(Kind::kTcp, Kind::kLoopback));
  const std::string text(kMaxControlPayload, 'c');
  for (int i = 0; i < 100; ++i) pair.a.control(text);
  for (int i = 0; i < 100; ++i) REQUIRE(text_of(pair.next_of<Control>(pair.b).bytes) == text);
  pair.collect();
  REQUIRE(pair.a.link->drained());
}

TEST_CASE("a sent slot comes back") {
  Pair pair(GENERATE(Kind::kTcp, Kind::kLoopback));
  pair.b.post_receives(1);
  pair.await_credits(pair.a, 1);
  pair.a.send(0, "x");
  REQUIRE(pair.a.ring.free_slots() == 7);
  static_cast<void>(pair.next_of<Sent>(pair.a));
  REQUIRE(pair.a.ring.free_slots() == 8);
}

TEST_CASE("one slot's bytes go out with two headers, and it comes home after both") {
  Pair pair(GENERATE(Kind::kTcp, Kind::kLoopback));
  Ring lender({8_KiB, 2});
  pair.b.post_receives(2);
  pair.await_credits(pair.a, 2);
  auto slot = lender.acquire();
  slot->resize(6);
  std::memcpy(slot->payload().data(), "shared", 6);
  std::optional<SharedSlot> shared = std::move(*slot).share();
  slot.reset();
  for (std::uint64_t i = 0; i < 2; ++i) {
    Slot carrier = *pair.a.ring.acquire();
    carrier.borrow(*shared);
    encode({.kind = FrameKind::kData, .sequence = i, .length = 6}, carrier.header());
    pair.a.link->post_send(std::move(carrier));
  }
  shared.reset();
  for (std::uint64_t i = 0; i < 2; ++i) {
    const Received received = pair.next_of<Received>(pair.b);
    CHECK(received.header.sequence == i);
    CHECK(text_of(received.slot.filled()) == "shared");
  }
  static_cast<void>(pair.next_of<Sent>(pair.a));
  CHECK(lender.free_slots() == 1);
  static_cast<void>(pair.next_of<Sent>(pair.a));
  CHECK(lender.free_slots() == 2);
}

TEST_CASE("closing delivers everything, then says so, on both ends") {
  Pair pair(GENERATE(Kind::kTcp, Kind::kLoopback));
  pair.b.post_receives(3);
  pair.await_credits(pair.a, 3);
  for (std::uint64_t i = 0; i < 3; ++i) pair.a.send(i, "x");
  pair.a.control("bye");
  pair.a.link->close();
  for (std::uint64_t i = 0; i < 3; ++i) REQUIRE(pair.next_of<Received>(pair.b).header.sequence == i);
  static_cast<void>(pair.next_of<Control>(pair.b));
  static_cast<void>(pair.next_of<PeerClosed>(pair.b));
  pair.b.control("bye too");  // the other direction is still open
  pair.b.link->close();
  static_cast<void>(pair.next_of<Control>(pair.a));
  static_cast<void>(pair.next_of<PeerClosed>(pair.a));
}

TEST_CASE("an end that goes without closing is a lost link, after what it sent") {
  Pair pair(GENERATE(Kind::kTcp, Kind::kLoopback));
  pair.a.control("last words");
  static_cast<void>(pair.next_of<Control>(pair.b));
  pair.from_a.clear();
  pair.a.link.reset();
  const auto drain = [&] {
    const auto limit = Deadline::in(kTestLimit);
    while (!limit.passed()) {
      while (pair.b.link->poll()) continue;
      pair.loop.wait(limit);
    }
  };
  REQUIRE_THROWS_AS(drain(), Error);
}

// Each end echoes its own stream and checks the other's.
void exchange(Pair& pair, std::uint64_t frames) {
  struct Side {
    End* end;
    std::uint64_t sent = 0, received = 0;
  };
  Side sides[2] = {{&pair.a}, {&pair.b}};
  const auto limit = Deadline::in(kTestLimit);
  const auto text = [](std::uint64_t n) {
    return std::string(1 + n * 977 % 4096, static_cast<char>('a' + n % 26));
  };
  while (sides[0].received < frames || sides[1].received < frames) {
    for (Side& side : sides) {
      while (side.sent < frames && side.end->link->send_credits() > 0 && side.end->ring.free_slots() > 0) {
        side.end->send(side.sent, text(side.sent));
        ++side.sent;
      }
      while (auto event = side.end->link->poll()) {
        auto* received = std::get_if<Received>(&*event);
        if (received == nullptr) continue;
        if (text_of(received->slot.filled()) != text(side.received))
          FAIL("frame " << side.received << " differs");
        ++side.received;
        side.end->link->post_receive(std::move(received->slot));
      }
    }
    REQUIRE(!limit.passed());
    if (sides[0].received < frames || sides[1].received < frames) pair.loop.wait(limit);
  }
}

TEST_CASE("full duplex with two receive slots on each side does not stall") {
  Pair pair(GENERATE(Kind::kTcp, Kind::kLoopback), RingShape{4_KiB, 4});
  pair.a.post_receives(2);
  pair.b.post_receives(2);
  exchange(pair, 3000);
}

}  // namespace
}  // namespace rdpipe
