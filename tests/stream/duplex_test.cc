// A stream in each direction, over the loopback link, where each fault is a script, and over TCP.
#include "stream/duplex_cases.h"
#include "transport/dial.h"
#include "transport/loopback.h"

using namespace rdpipe;

namespace {

LinkMaker loopback(const FaultScript& script = {}) {
  return [script](Loop& a, Loop& b) -> Links { return make_loopback(a, b, script); };
}

FaultScript one_fault(Fault fault) { return {.from_first = {fault}}; }

LinkMaker tcp() {
  return [](Loop& a, Loop& b) -> Links {
    const auto acceptor = listen_tcp(b, "0", {});
    const auto dial = dial_tcp(a, {"localhost", std::to_string(acceptor->port())}, {});
    Links links;
    const Deadline limit = soon();
    while (!links.first || !links.second) {
      if (!links.first) links.first = dial->poll();
      if (!links.second) links.second = acceptor->poll();
      demand(!limit.passed(), "no connection");
      a.wait(Deadline::in(std::chrono::milliseconds(1)));
      b.wait(Deadline::in(std::chrono::milliseconds(1)));
    }
    return links;
  };
}

constexpr DuplexSetup kSealed{.seal = Choice::kYes};
constexpr DuplexSetup kSmallest{.shape = {4_KiB, Duplex::kLeastSlots}};
constexpr DuplexSetup kSpinning{.busy_poll = std::chrono::microseconds(50)};

}  // namespace

TEST_CASE("duplex: 100000 messages each way at once over loopback") {
  talks_both_ways_at_once(loopback(), {}, 100000);
}
TEST_CASE("duplex: 100000 messages each way at once over TCP") { talks_both_ways_at_once(tcp(), {}, 100000); }
TEST_CASE("duplex: messages both ways through the smallest rings") {
  talks_both_ways_at_once(loopback(), kSmallest, 3000);
  talks_both_ways_at_once(tcp(), kSmallest, 3000);
}
TEST_CASE("duplex: sealed messages both ways") {
  talks_both_ways_at_once(loopback(), kSealed, 3000);
  talks_both_ways_at_once(tcp(), kSealed, 3000);
}
TEST_CASE("duplex: messages both ways without digests") {
  talks_both_ways_at_once(loopback(), {.digest = Choice::kNo}, 3000);
}
TEST_CASE("duplex: echo") {
  echoes(loopback(), {}, 1000);
  echoes(tcp(), {}, 1000);
  echoes(loopback(), kSpinning, 1000);
  echoes(tcp(), kSpinning, 1000);
}
TEST_CASE("duplex: a slow reader") {
  waits_for_a_slow_reader(loopback());
  waits_for_a_slow_reader(tcp());
  waits_for_a_slow_reader(loopback(), kSmallest);
}
TEST_CASE("duplex: every call past its deadline, over loopback") {
  is_good_after_every_missed_deadline(loopback());
}
TEST_CASE("duplex: every call past its deadline, over TCP") { is_good_after_every_missed_deadline(tcp()); }
TEST_CASE("duplex: slots are handed out") {
  hands_out_slots(loopback());
  hands_out_slots(tcp());
  hands_out_slots(loopback(), kSealed);
}
TEST_CASE("duplex: a peer that vanishes between write and sync") {
  notices_a_peer_that_vanishes_before_sync(loopback());
  notices_a_peer_that_vanishes_before_sync(tcp());
}

TEST_CASE("duplex: sync returns when the peer has read everything, not before") {
  DuplexPair pair(loopback());
  Duplex &a = **pair.a, &b = **pair.b;
  REQUIRE(write_text(a, "hello") == 5);
  CHECK_FALSE(a.sync(Deadline::now()));
  CHECK(read_text(b, 4) == "hell");
  CHECK_FALSE(a.sync(Deadline::now()));
  CHECK(read_text(b, 4) == "o");
  CHECK(a.sync(Deadline::now()));
  REQUIRE(write_text(a, "again") == 5);
  CHECK(read_text(b) == "again");
  CHECK_FALSE(a.sync(Deadline::now()));  // b was not asked before it read
  CHECK(b.wait(Duplex::kReadable, Deadline::now()) == 0);
  CHECK(a.sync(Deadline::now()));
}

TEST_CASE("duplex: an end that nobody has said is none") {
  DuplexPair pair(loopback(one_fault({.action = FaultAction::kClose, .at = data_frame(1)})));
  Duplex &a = **pair.a, &b = **pair.b;
  REQUIRE(write_text(a, "hello") == 5);
  REQUIRE(write_text(a, "lost") == 4);
  CHECK(read_text(b) == "hello");
  CHECK(status_of([&] { (void)read_text(b); }) == Status::kNetwork);
}

TEST_CASE("duplex: what arrived before a loss can still be read") {
  DuplexPair pair(loopback());
  REQUIRE(write_text(**pair.a, "hello") == 5);
  CHECK((*pair.b)->wait(Duplex::kReadable, soon()) == Duplex::kReadable);
  pair.a.reset();
  CHECK(status_of([&] { (void)(*pair.b)->sync(Deadline::now()); }) == Status::kOk);  // nothing was written
  CHECK(read_text(**pair.b, 2) == "he");
  CHECK(read_text(**pair.b) == "llo");
  CHECK(status_of([&] { (void)read_text(**pair.b); }) == Status::kNetwork);
}

TEST_CASE("duplex: a cut cable is noticed") {
  DuplexPair pair(loopback(one_fault({.action = FaultAction::kCut, .at = data_frame(0)})));
  pair.a->session->link().set_keep_alive(std::chrono::seconds(1));
  pair.b->session->link().set_keep_alive(std::chrono::seconds(1));
  REQUIRE(write_text(**pair.a, "lost") == 4);
  CHECK(status_of([&] { (void)(*pair.a)->sync(soon()); }) == Status::kNetwork);
  CHECK(status_of([&] { (void)read_text(**pair.b); }) == Status::kNetwork);
}

TEST_CASE("duplex: an altered frame is found, and both ends know") {
  const auto [action, setup] =
      GENERATE(table<FaultAction, DuplexSetup>({{FaultAction::kCorruptPayload, {}},
                                                {FaultAction::kCorruptPayload, kSealed},
                                                {FaultAction::kCorruptHeader, {}},
                                                {FaultAction::kCorruptHeader, kSealed},
                                                {FaultAction::kCorruptHeader, {.digest = Choice::kNo}}}));
  DuplexPair pair(loopback(one_fault({.action = action, .at = data_frame(1), .byte = 23})), setup);
  Duplex &a = **pair.a, &b = **pair.b;
  REQUIRE(write_text(a, "good") == 4);
  REQUIRE(write_text(a, "altered on the way altered") == 26);
  CHECK(read_text(b) == "good");
  CHECK(status_of([&] { (void)read_text(b); }) == Status::kDamaged);
  CHECK(status_of([&] { (void)read_text(a); }) == Status::kDamaged);
}

TEST_CASE("duplex: counts that do not agree are no end") {
  const Message lie = GENERATE(Message(End{.length = 6, .frames = 1, .root = {}}),
                               Message(End{.length = 5, .frames = 2, .root = {}}), Message(Sync{4}),
                               Message(Sync{6}), Message(Committed{5}), Message(Bye{}), Message(Working{}));
  DuplexPair pair(loopback());
  Duplex& b = **pair.b;
  REQUIRE(write_text(**pair.a, "hello") == 5);
  pair.a->session->send(lie);
  CHECK(b.wait(Duplex::kReadable, soon()) == Duplex::kReadable);
  const Status status = status_of([&] {
    while (!read_text(b).empty()) {
    }
  });
  CHECK(status == Status::kDamaged);
}

TEST_CASE("duplex: close") {
  DuplexPair pair(loopback());
  Duplex &a = **pair.a, &b = **pair.b;
  SECTION("both ends, one after the other") {
    CHECK(a.close(Deadline::now()) == Duplex::Closing::kLate);
    CHECK(read_text(b).empty());
    at_once([&] { demand(a.close(soon()) == Duplex::Closing::kDone, "a"); },
            [&] { demand(b.close(soon()) == Duplex::Closing::kDone, "b"); });
    CHECK(a.close(Deadline::now()) == Duplex::Closing::kDone);
  }
  SECTION("refused while there is something to read") {
    REQUIRE(write_text(b, "unread") == 6);
    CHECK(a.close(soon()) == Duplex::Closing::kUnread);
    CHECK(read_text(a) == "unread");
    at_once([&] { demand(a.close(soon()) == Duplex::Closing::kDone, "a"); },
            [&] { demand(b.close(soon()) == Duplex::Closing::kDone, "b"); });
  }
  SECTION("of an end whose peer has everything and is gone") {
    REQUIRE(write_text(a, "hello") == 5);
    a.shut_down();
    CHECK(read_text(b) == "hello");
    CHECK(read_text(b).empty());
    pair.b.reset();
    CHECK(a.close(soon()) == Duplex::Closing::kDone);
    CHECK(status_of([&] { (void)read_text(a); }) == Status::kNetwork);  // b never said its end
  }
}
