// What an RDMA link concludes from what it hears, tick by tick.
#include <chrono>
#include <cstdint>

#include "catch.h"
#include "transport/rdma_watch.h"

using namespace rdpipe;
using namespace std::chrono_literals;

namespace {

using Finding = RdmaWatch::Finding;

constexpr bool kSending = true, kIdle = false;

struct Watched {
  RdmaWatch watch{12s};
  std::uint8_t pings = 0;  // of the peer

  Finding tick(bool sending) { return watch.look(watch.next_tick(), sending, pings); }
  // The ticks until something is found, at most 100.
  unsigned ticks_until(Finding what, bool sending) {
    unsigned ticks = 1;
    while (tick(sending) != what && ticks < 100) ++ticks;
    return ticks;
  }
};

}  // namespace

TEST_CASE("rdma watch: a peer of which nothing is heard is dead within the limit") {
  Watched end;
  CHECK(end.ticks_until(Finding::kDead, kSending) < RdmaWatch::kTicks);
}

TEST_CASE("rdma watch: before a tick nothing is found, and a process that was stopped has missed one") {
  Watched end;
  CHECK(end.watch.look(end.watch.next_tick() - 1ns, kSending, 0) == Finding::kNothing);
  for (int i = 0; i < 3; ++i)
    CHECK(end.watch.look(end.watch.next_tick() + 1h, kSending, 0) == Finding::kNothing);
}

TEST_CASE("rdma watch: an idle end pings, and again when that was answered and nothing else came") {
  Watched end;
  for (int i = 0; i < 10; ++i) {
    const unsigned ticks = end.ticks_until(Finding::kPing, kIdle);
    CHECK(ticks <= RdmaWatch::kPingAfter + 1);
    if (i == 9) break;
    end.watch.hear_arrival();
    CHECK(end.tick(kIdle) == Finding::kNothing);
  }
  CHECK(end.ticks_until(Finding::kDead, kSending) <= RdmaWatch::kDeadAfter - RdmaWatch::kPingAfter);
}

TEST_CASE("rdma watch: frames of the peer are as good as an answer") {
  Watched end;
  for (unsigned i = 0; i < 3 * RdmaWatch::kTicks; ++i) {
    end.watch.hear_frame();
    CHECK(end.tick(kSending) == Finding::kNothing);
  }
  CHECK(end.ticks_until(Finding::kDead, kSending) < RdmaWatch::kTicks);
}

TEST_CASE(
    "rdma watch: a peer whose pings keep coming lives, and that nothing reaches it is told in the end") {
  Watched end;
  end.pings = 250;  // and on, over the number's end
  static_cast<void>(end.tick(kSending));
  unsigned ticks = 1;
  Finding found{};
  while ((found = end.tick(kSending)) == Finding::kNothing && ticks < 100) {
    if (++ticks % (RdmaWatch::kPingAfter + 1) == 0) ++end.pings;
  }
  CHECK(found == Finding::kStuck);
  CHECK(ticks >= 6 * RdmaWatch::kTicks - 1);
}

// The peer's last but one ping was answered, nobody knows of its last: this end's packets may all be lost.
TEST_CASE("rdma watch: a peer that hears nothing does not hold up that it is given up") {
  const unsigned known = GENERATE(0U, 1U, 2U);  // pings of it, before all that this end sends is lost
  Watched end;
  for (unsigned i = 0; i < known; ++i) {
    end.watch.hear_arrival();
    ++end.pings;
    for (unsigned j = 0; j <= RdmaWatch::kPingAfter; ++j) CHECK(end.tick(kIdle) != Finding::kDead);
  }
  end.watch.hear_arrival();
  static_cast<void>(end.tick(kSending));
  for (unsigned i = 0; i < RdmaWatch::kPingAfter; ++i) static_cast<void>(end.tick(kSending));
  ++end.pings;
  CAPTURE(known);
  CHECK(RdmaWatch::kPingAfter + end.ticks_until(Finding::kDead, kSending) <= RdmaWatch::kTicks);
}

TEST_CASE("rdma watch: the first ping of a peer that has only answered so far is no sign of its death") {
  Watched end;
  for (unsigned i = 0; i < 2 * RdmaWatch::kTicks; ++i) {
    end.watch.hear_arrival();
    CHECK(end.tick(kSending) == Finding::kNothing);
  }
  for (unsigned i = 0; i < 3; ++i) CHECK(end.tick(kSending) == Finding::kNothing);
  ++end.pings;
  for (unsigned i = 0; i < 6; ++i) CHECK(end.tick(kSending) == Finding::kNothing);
}

TEST_CASE("rdma watch: an end whose frames arrive is never stuck, and one that only hears the peer's is") {
  Watched busy, stuck;
  unsigned until_stuck = 0;
  for (unsigned i = 1; i <= 100; ++i) {
    busy.watch.hear_arrival();
    CHECK(busy.tick(kSending) == Finding::kNothing);
    stuck.watch.hear_frame();
    if (stuck.tick(kSending) == Finding::kStuck && until_stuck == 0) until_stuck = i;
  }
  CHECK(until_stuck >= RdmaWatch::kStuckAfter);
  CHECK(until_stuck <= RdmaWatch::kStuckAfter + 1);
}

TEST_CASE("rdma watch: another limit begins anew") {
  Watched end;
  for (int i = 0; i < 8; ++i) static_cast<void>(end.tick(kSending));
  end.watch.set_limit(1s);
  CHECK(end.watch.next_tick() - Clock::now() <= Nanoseconds(1s) / RdmaWatch::kTicks);
  CHECK(end.ticks_until(Finding::kDead, kSending) >= RdmaWatch::kDeadAfter - 1);
}
