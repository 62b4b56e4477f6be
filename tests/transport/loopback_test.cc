#include "transport/loopback.h"

#include "links.h"

namespace rdpipe {
namespace {

struct Faulty : Pair {
  explicit Faulty(FaultScript script) : Pair(Kind::kLoopback) {
    auto [first, second] = make_loopback(loop, std::move(script));
    link_a = first.get();
    a.link = std::move(first);
    b.link = std::move(second);
    b.post_receives(4);
  }
  LoopbackLink* link_a;
};

TEST_CASE("a scripted drop loses the link for both after what was sent before") {
  Faulty pair({.from_first = {{FaultAction::kDrop, data_frame(1)}}});
  pair.a.send(0, "x");
  pair.a.send(1, "y");
  REQUIRE(std::holds_alternative<Received>(*pair.b.link->poll()));
  REQUIRE_THROWS_AS(pair.b.link->poll(), Error);
  REQUIRE(std::holds_alternative<Sent>(*pair.a.link->poll()));
  REQUIRE_THROWS_AS(pair.a.link->poll(), Error);
}

TEST_CASE("a drop that the receiver alone sees leaves the sender waiting") {
  Faulty pair({.from_first = {{FaultAction::kDrop, control_frame(0), 0, LossSeen::kByReceiver}}});
  pair.a.control("x");
  REQUIRE_THROWS_AS(pair.b.link->poll(), Error);
  REQUIRE(!pair.a.link->poll());
}

TEST_CASE("a cut is silent until keep-alive notices it") {
  Faulty pair({.from_first = {{FaultAction::kCut, data_frame(0)}}});
  pair.b.link->set_keep_alive(std::chrono::milliseconds(20));
  pair.a.send(0, "x");
  REQUIRE(!pair.b.link->poll());
  const auto wait_on = [&] {
    while (!pair.b.link->poll()) pair.loop.wait(Deadline::in(kTestLimit));
  };
  REQUIRE_THROWS_WITH(wait_on(), Catch::Contains("timed out"));
}

TEST_CASE("held frames arrive in order when they are released") {
  Faulty pair({.from_first = {{FaultAction::kHold, data_frame(1)}}});
  for (std::uint64_t i = 0; i < 3; ++i) pair.a.send(i, "x");
  REQUIRE(std::get<Received>(*pair.b.link->poll()).header.sequence == 0);
  REQUIRE(!pair.b.link->poll());
  pair.link_a->release();
  REQUIRE(std::get<Received>(*pair.b.link->poll()).header.sequence == 1);
  REQUIRE(std::get<Received>(*pair.b.link->poll()).header.sequence == 2);
}

TEST_CASE("corruption inverts one byte of payload or header") {
  Faulty pair({.from_first = {{FaultAction::kCorruptPayload, data_frame(0), 1},
                              {FaultAction::kCorruptHeader, data_frame(1), 15},
                              {FaultAction::kCorruptHeader, data_frame(2), 0}}});
  for (std::uint64_t i = 0; i < 3; ++i) pair.a.send(i, "abc");
  REQUIRE(text_of(std::get<Received>(*pair.b.link->poll()).slot.filled()) ==
          "a\x9d"
          "c");
  REQUIRE(std::get<Received>(*pair.b.link->poll()).header.sequence == 254);
  REQUIRE_THROWS_AS(pair.b.link->poll(), Error);
}

TEST_CASE("a scripted close looks like a peer that left in good order") {
  Faulty pair({.from_first = {{FaultAction::kClose, data_frame(1)}}});
  pair.a.send(0, "x");
  pair.a.send(1, "y");
  REQUIRE(std::holds_alternative<Received>(*pair.b.link->poll()));
  REQUIRE(std::holds_alternative<PeerClosed>(*pair.b.link->poll()));
}

TEST_CASE("a delayed frame arrives, later") {
  Faulty pair({.delay = std::chrono::milliseconds(10)});
  const auto begun = Clock::now();
  pair.a.control("x");
  REQUIRE(!pair.b.link->poll());
  static_cast<void>(pair.next_of<Control>(pair.b));
  REQUIRE(Clock::now() - begun >= std::chrono::milliseconds(10));
}

}  // namespace
}  // namespace rdpipe
