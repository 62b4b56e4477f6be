// Wrong keys: how many an address may show, and what becomes of the others behind it.
#include "session/throttle.h"

#include "catch.h"
#include "session/strangers.h"

using namespace rdpipe;

namespace {

constexpr auto kThere = "10.0.0.1:1000";
constexpr auto kElsewhere = "10.0.0.2:1000";

constexpr Nanoseconds kPatience = std::chrono::seconds(20);

// A server's lobby, where strangers come from wherever they are said to.
struct Gate {
  // Whether `key` let a stranger in that comes from there. Throws what a good key's end throws.
  bool lets_in(const std::string& peer, const std::string& key) {
    auto there = acceptor.authenticate_there(key, kPatience, peer);
    std::unique_ptr<Session> here, its;
    try {
      while (!here || !its) {
        if (!here) here = lobby.poll();
        ++polls;
        if (!its && ready(there)) its = there.get();
        if (!here || !its) loop.wait(Deadline::in(std::chrono::milliseconds(here ? 5 : pause_ms)));
      }
      return true;
    } catch (const Error& error) {
      if (error.status() != Status::kAuthentication) throw;
      return false;
    }
  }
  void show_wrong_keys(int count, const std::string& peer = kThere) {
    for (int i = 0; i < count; ++i) CHECK_FALSE(lets_in(peer, kOtherKey));
  }

  Loop loop;
  MemoryAcceptor acceptor{loop};
  std::vector<std::string> reports;
  LobbyLimits limits{.throttles = true};
  Lobby lobby{loop, acceptor, Key(Secret(kOneKey)),
              [this](const std::string& line) { reports.push_back(line); }, limits};
  int polls = 0;
  int pause_ms = 20;
};

template <typename Action>
Nanoseconds time_of(Action action) {
  const auto start = Clock::now();
  action();
  return Clock::now() - start;
}

}  // namespace

TEST_CASE("a source is an address without its port, or a network") {
  CHECK(source_of("10.0.0.1:12345") == "10.0.0.1");
  CHECK(source_of("10.0.0.1:1") != source_of("10.0.0.11:1"));
  CHECK(source_of("[2001:db8:1:2:3:4:5:6]:7470") == "2001:db8:1:2::");
  CHECK(source_of("[2001:db8:1:2::1]:1") == source_of("[2001:db8:1:2:ffff::]:2"));
  CHECK(source_of("[2001:db8:1:2::1]:1") != source_of("[2001:db8:1:3::1]:1"));
  CHECK(source_of("[fe80::1%eth0]:12345") == "fe80::%eth0");
  CHECK(source_of("[fe80::1%eth0]:1") != source_of("[fe80::1%eth1]:1"));
  CHECK(source_of("loopback:2") == "loopback");
  CHECK(source_of("[nonsense]:2") == "nonsense");
  CHECK(source_of("an unknown address") == "an unknown address");
  CHECK(source_of("").empty());
}

TEST_CASE("ten wrong keys in a row, then two a second") {
  Throttle throttle;
  const auto now = Clock::now();
  CHECK(throttle.answers("one").passed());
  for (int i = 0; i < Throttle::kBurst; ++i) {
    CHECK(throttle.answers("one").when() <= now);
    throttle.charge("one", now);
  }
  CHECK(throttle.answers("one").when() == now + Throttle::kRefill);
  CHECK(throttle.answers("two").passed());
  throttle.charge("one", now + Throttle::kRefill);
  CHECK(throttle.answers("one").when() == now + 2 * Throttle::kRefill);
  const auto later = now + std::chrono::minutes(1);  // it is full again, and holds no more than the burst
  for (int i = 0; i < Throttle::kBurst; ++i) {
    CHECK(throttle.answers("one").when() <= later);
    throttle.charge("one", later);
  }
  CHECK(throttle.answers("one").when() == later + Throttle::kRefill);
}

TEST_CASE("however many wrong keys there were, nobody waits longer than the longest wait") {
  Throttle throttle;
  const auto now = Clock::now();
  for (int i = 0; i < 1000; ++i) throttle.charge("one", now);
  CHECK(throttle.answers("one").when() == now + Throttle::kLongestWait);
}

TEST_CASE("the sources that are remembered are so many, and the one charged longest ago goes first") {
  Throttle throttle;
  const auto now = Clock::now();
  const auto spend = [&](const std::string& source) {
    for (int i = 0; i < Throttle::kBurst; ++i) throttle.charge(source, now);
  };
  spend("first");
  spend("second");
  for (std::size_t i = 2; i < Throttle::kSources; ++i) throttle.charge(std::to_string(i), now);
  CHECK(throttle.sources() == Throttle::kSources);
  throttle.charge("first", now);
  throttle.charge("one more", now);
  CHECK(throttle.sources() == Throttle::kSources);
  CHECK(throttle.answers("first").when() > now);
  CHECK(throttle.answers("second").passed());
}

TEST_CASE("after many wrong keys a right one comes in a little later, and from elsewhere at once") {
  Gate gate;
  gate.show_wrong_keys(20);
  CHECK(gate.reports.size() >= 3);
  for (const std::string& line : gate.reports) {
    CHECK_THAT(line, Catch::EndsWith("10.0.0.1:1000: wrong key") || Catch::StartsWith("and "));
  }
  CHECK(time_of([&] { CHECK(gate.lets_in(kElsewhere, kOneKey)); }) < Throttle::kRefill);
  const auto waited = time_of([&] { CHECK(gate.lets_in("10.0.0.1:2000", kOneKey)); });
  CHECK(waited > Throttle::kRefill / 2);
  CHECK(waited < Throttle::kLongestWait + std::chrono::seconds(1));
}

TEST_CASE("who is held back is awaited without being asked all the time, though it has spoken") {
  Gate gate;
  gate.show_wrong_keys(Throttle::kBurst + 1);
  gate.pause_ms = 10'000;  // longer than any wait: the lobby arranges to be woken
  gate.polls = 0;
  CHECK(time_of([&] { CHECK(gate.lets_in(kThere, kOneKey)); }) <
        Throttle::kLongestWait + std::chrono::seconds(1));
  CHECK(gate.polls < 50);
}

TEST_CASE("one that is held back hangs up, or goes for others, and is no trouble") {
  Gate gate;
  gate.show_wrong_keys(Throttle::kBurst + 1);
  std::vector<std::unique_ptr<LoopbackLink>> held;
  for (int i = 0; i < 40; ++i) {
    held.push_back(gate.acceptor.connect(kThere));
    held.back()->post_control(std::as_bytes(std::span("RDP1\0\2\0\0", 8)));
  }
  CHECK(gate.lobby.poll() == nullptr);
  held.resize(20);
  const auto quiet = gate.acceptor.connect(kElsewhere);
  for (int i = 0; i < 60; ++i)
    held.push_back(gate.acceptor.connect(kThere));  // room is made, not of the quiet one
  CHECK(gate.lets_in(kElsewhere, kOneKey));
  CHECK_NOTHROW(quiet->poll());
  held.push_back(gate.acceptor.connect(kThere));  // there are eight already
  CHECK(gate.lobby.poll() == nullptr);
  CHECK_THROWS_AS(held.back()->poll(), Error);
}
