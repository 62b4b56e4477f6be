// When a server's status is news, and what it says.
#include "rdpipe/serve_tally.h"

#include "catch.h"

using namespace rdpipe;

namespace {

constexpr auto kSecond = std::chrono::seconds(1);

}  // namespace

TEST_CASE("what has changed is told once, and at most once a second") {
  ServeTally tally;
  const auto start = Clock::now();
  CHECK(tally.take_news(start));  // how it begins
  CHECK_FALSE(tally.take_news(start + kSecond));
  CHECK(tally.next_news(start).is_never());
  tally.set_serving(1);
  CHECK_FALSE(tally.take_news(start));
  CHECK(tally.next_news(start).when() == start + kSecond);
  CHECK(tally.take_news(start + kSecond));
  tally.set_serving(1);
  CHECK_FALSE(tally.take_news(start + 5 * kSecond));
  tally.set_waiting(3);
  CHECK(tally.take_news(start + 5 * kSecond));
  CHECK(tally.status(start).clients == 1);
  CHECK(tally.status(start).waiting == 3);
}

TEST_CASE("rates alone are told every ten seconds, until they are 0") {
  ServeTally tally;
  const auto start = Clock::now();
  CHECK(tally.take_news(start));
  tally.add_moved(0, start);
  CHECK(tally.next_news(start).is_never());
  tally.add_moved(1'000'000, start);
  CHECK_FALSE(tally.take_news(start + 9 * kSecond));
  CHECK(tally.next_news(start).when() == start + 10 * kSecond);
  CHECK(tally.take_news(start + 10 * kSecond));
  CHECK(tally.status(start).bytes == 1'000'000);
  CHECK(tally.status(start).rate_10s == 100'000);
  const auto end = start + Rates::kLongest + 10 * kSecond;
  CHECK(tally.take_news(end - kSecond));
  CHECK(tally.status(end - kSecond).rate_5min == 0);
  CHECK_FALSE(tally.take_news(end + 20 * kSecond));
  CHECK(tally.next_news(end).is_never());
}

TEST_CASE("those who end are counted, and those who end badly apart") {
  ServeTally tally;
  const auto start = Clock::now();
  CHECK(tally.take_news(start));
  tally.add_ended(true);
  tally.add_ended(false);
  CHECK(tally.take_news(start + kSecond));
  CHECK(tally.status(start).transfers == 2);
  CHECK(tally.status(start).failures == 1);
}
