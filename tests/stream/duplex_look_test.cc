// How a duplex looks at its link before it sleeps.
#include "catch.h"

#include "stream/duplex_links.h"

using namespace rdpipe;

namespace {

// Counts how often it is looked at; what has come can be hidden from the next of these looks.
class WatchedLink final : public WrappedLink {
 public:
  using WrappedLink::WrappedLink;
  unsigned looks = 0, hiding = 0;
  bool closed = false;
  void close() override {
    closed = true;
    WrappedLink::close();
  }
  [[nodiscard]] std::optional<LinkEvent> poll() override {
    ++looks;
    if (hiding == 0) return WrappedLink::poll();
    --hiding;
    return {};
  }
};

// Waits in vain, a millisecond or more each, of `end`, whose link is `link`: how many of them have looked
// before they slept, which is 64 times in a row at least.
constexpr unsigned kManyLooks = 64;

unsigned looking_waits(Duplex& end, WatchedLink& link, int waits,
                       Nanoseconds each = std::chrono::milliseconds(1)) {
  unsigned count = 0;
  for (int i = 0; i < waits; ++i) {
    link.looks = 0;
    demand(end.wait(Duplex::kReadable, Deadline::in(each)) == 0, "something to read");
    if (link.looks >= kManyLooks) ++count;
  }
  return count;
}

}  // namespace

TEST_CASE("duplex: waits look again and again only while that has paid lately") {
  constexpr Nanoseconds kLong = std::chrono::milliseconds(30);  // enough to lose the processor for a while
  WatchedLink* link = nullptr;
  DuplexPair pair(wrapped_loopback(link));
  Duplex &a = **pair.a, &b = **pair.b;
  CHECK(looking_waits(a, *link, 4, kLong) == 4);
  const unsigned idle = looking_waits(a, *link, 320);
  CHECK(idle >= 10);
  CHECK(idle <= 20);
  unsigned tries = 0;
  for (bool found = false; !found; ++tries) {
    REQUIRE(tries < 10 * BusyPoll::kPause);
    link->hiding = kManyLooks - 10;  // more than a wait looks that sleeps at once
    REQUIRE(write_text(b, "soon") == 4);
    found = read_text(a, 4, Deadline::in(std::chrono::milliseconds(1))) == "soon";
    link->hiding = 0;
    if (!found) REQUIRE(read_text(a, 4) == "soon");
  }
  CHECK(looking_waits(a, *link, 4, kLong) == 4);
}

// That a request has gone is no answer.
TEST_CASE("duplex: who is answered late looks for no answer") {
  const bool over_tcp = GENERATE(false, true);
  WatchedLink* link = nullptr;
  DuplexPair pair(wrapped(over_tcp ? tcp() : loopback(), link));
  Duplex &a = **pair.a, &b = **pair.b;
  unsigned looking = 0;
  for (int i = 0; i < 200; ++i) {
    REQUIRE(write_text(a, "ask", soon()) == 3);
    looking += looking_waits(a, *link, 1);
    REQUIRE(read_text(b, 3) == "ask");
    link->hiding = kManyLooks / 2;  // what tells that it has gone comes while it looks
    looking += looking_waits(a, *link, 1);
    link->hiding = 0;
    REQUIRE(write_text(b, "answer", soon()) == 6);
    REQUIRE(read_text(a, 6) == "answer");
  }
  CHECK(looking >= 10);
  CHECK(looking <= 60);  // of 400, and of some of the reads
}

// What a call that ends while it looks owes the peer does not wait for the next one.
TEST_CASE("duplex: the connection is closed where the last word comes while it looks") {
  WatchedLink* link = nullptr;
  DuplexPair pair(wrapped_loopback(link));
  Duplex &a = **pair.a, &b = **pair.b;
  REQUIRE(write_text(a, "hello", soon()) == 5);
  a.shut_down();
  b.shut_down();
  CHECK(read_text(a).empty());
  CHECK(read_text(b) == "hello");
  CHECK(read_text(b).empty());
  link->looks = 0;
  link->hiding = kManyLooks / 2;
  CHECK(a.sync(soon()));
  CHECK(link->looks >= kManyLooks / 2);
  CHECK(link->closed);
  CHECK(b.close(soon()) == Duplex::Closing::kDone);
}
