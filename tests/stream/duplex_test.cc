// A stream in each direction, over the loopback link, where each fault is a script, and over TCP.
#include <deque>
#include <new>

#include "stream/duplex_cases.h"
#include "stream/duplex_links.h"

using namespace rdpipe;

namespace {

FaultScript one_fault(Fault fault) { return {.from_first = {fault}}; }

// Throws what a program without memory throws, when it is told to.
class MemorylessLink final : public WrappedLink {
 public:
  using WrappedLink::WrappedLink;
  bool lacks_memory = false;

  void post_send(Slot slot) override {
    require_memory();
    WrappedLink::post_send(std::move(slot));
  }
  void post_receive(Slot slot) override {
    require_memory();
    WrappedLink::post_receive(std::move(slot));
  }
  void post_control(std::span<const std::byte> bytes) override {
    require_memory();
    WrappedLink::post_control(bytes);
  }
  [[nodiscard]] std::optional<LinkEvent> poll() override {
    require_memory();
    return WrappedLink::poll();
  }

 private:
  void require_memory() const {
    if (lacks_memory) throw std::bad_alloc();
  }
};

// Its peer takes whatever is sent, and always has room for more.
class InsatiableLink final : public WrappedLink {
 public:
  using WrappedLink::WrappedLink;
  void post_send(Slot slot) override { sent_.push_back({std::move(slot)}); }
  [[nodiscard]] std::size_t send_credits() const override { return 1000; }
  [[nodiscard]] std::optional<LinkEvent> poll() override {
    if (sent_.empty()) return WrappedLink::poll();
    Sent sent = std::move(sent_.front());
    sent_.pop_front();
    return sent;
  }

 private:
  std::deque<Sent> sent_;
};

constexpr DuplexSetup kSealed{.seal = Choice::kYes};
constexpr DuplexSetup kSmallest{.shape = {4_KiB, Duplex::kLeastSlots}};
constexpr DuplexSetup kSleeping{.busy_poll = Nanoseconds(0)};
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
  echoes(loopback(), kSleeping, 1000);
  echoes(tcp(), kSleeping, 1000);
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

TEST_CASE("duplex: calls that do not wait move everything") {
  moves_without_ever_waiting(loopback());
  moves_without_ever_waiting(tcp());
}
TEST_CASE("duplex: calls that do not wait notice that the peer is gone") {
  notices_a_lost_peer_without_waiting(loopback());
  notices_a_lost_peer_without_waiting(tcp());
}
TEST_CASE("duplex: waiting for both tells of both") {
  tells_all_that_is_possible(loopback());
  tells_all_that_is_possible(tcp());
}
TEST_CASE("duplex: one way, spinning, to a slower reader") {
  keeps_pace_with_a_slower_reader(loopback());
  keeps_pace_with_a_slower_reader(tcp());
}
TEST_CASE("duplex: what comes behind the end") {
  ignores_what_comes_behind_the_end(loopback());
  ignores_what_comes_behind_the_end(tcp());
}
TEST_CASE("duplex: close tells of the peer's failure") {
  does_not_close_over_a_failure(loopback());
  does_not_close_over_a_failure(tcp());
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

TEST_CASE("duplex: close tells of a damaged frame, though its own end was confirmed") {
  FaultScript script;
  script.from_second = {{.action = FaultAction::kCorruptPayload, .at = data_frame(0), .byte = 1}};
  DuplexPair pair(loopback(script));
  Duplex &a = **pair.a, &b = **pair.b;
  a.shut_down();
  CHECK(read_text(b).empty());
  CHECK(a.sync(soon()));
  REQUIRE(write_text(b, "altered") == 7);
  CHECK(status_of([&] { (void)a.close(soon()); }) == Status::kDamaged);
}

TEST_CASE("duplex: without memory a stream ends, and loses nothing unsaid") {
  const auto failing = GENERATE(as<std::string>{}, "write", "commit", "read", "release", "sync");
  MemorylessLink* link = nullptr;
  DuplexPair pair(wrapped_loopback(link));
  Duplex &a = **pair.a, &b = **pair.b;
  REQUIRE(write_text(b, "hello") == 5);
  REQUIRE(a.wait(Duplex::kReadable, soon()) == Duplex::kReadable);
  REQUIRE(!a.write_slot(soon()).empty());
  const bool commits = failing == "commit";
  if (!commits) a.commit(0);
  link->lacks_memory = true;
  const Status status = status_of([&] {
    if (failing == "write") (void)write_text(a, "lost");
    if (commits) a.commit(4);
    if (failing == "read") (void)read_text(a);
    if (failing == "release") {
      (void)a.read_slot(soon());
      a.release();
    }
    if (failing == "sync") (void)a.sync(soon());
  });
  link->lacks_memory = false;
  CHECK((status == Status::kOk || status == Status::kMemory));
  CHECK(status_of([&] { (void)write_text(a, "more"); }) == Status::kMemory);
  CHECK(status_of([&] { (void)a.close(soon()); }) == Status::kMemory);
  pair.a.reset();
  CHECK(status_of([&] { (void)read_text(b); }) == Status::kNetwork);
}

TEST_CASE("duplex: a write ends when its time is up, whatever the peer has room for") {
  InsatiableLink* link = nullptr;
  DuplexPair pair(wrapped_loopback(link));
  const std::vector<std::byte> much(256_MiB, std::byte{7});
  const std::size_t taken = (*pair.a)->write(much, Deadline::in(std::chrono::milliseconds(1)));
  CHECK(taken > 0);
  CHECK(taken < much.size());
  CHECK((*pair.a)->write(much, Deadline::now()) == DuplexSetup{}.shape.payload_bytes());
  CHECK((*pair.a)->write(std::span(much).first(1_MiB), soon()) == 1_MiB);
}
