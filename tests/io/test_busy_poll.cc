// How long waits look before they sleep.
#include "io/busy_poll.h"

#include "io/fixtures.h"

namespace rdpipe {
namespace {

int looks_in_vain(BusyPoll& poll, int waits) {
  int looks = 0;
  for (int i = 0; i < waits; ++i) {
    if (poll.look().count() > 0) ++looks;
    poll.note(false);
  }
  return looks;
}

TEST_CASE("a fixed time is looked at every wait", "[io]") {
  BusyPoll poll(std::chrono::microseconds(7));
  CHECK(looks_in_vain(poll, 1000) == 1000);
  CHECK(poll.look() == std::chrono::microseconds(7));
  BusyPoll never(Nanoseconds(0));
  never.note(true);
  CHECK(looks_in_vain(never, 1000) == 0);
}

TEST_CASE("looking stops where nothing comes so soon, and is tried again now and then", "[io]") {
  BusyPoll poll({});
  CHECK(poll.look() == BusyPoll::kLook);
  CHECK(looks_in_vain(poll, BusyPoll::kPatience) == BusyPoll::kPatience);
  CHECK(poll.look().count() == 0);
  CHECK(looks_in_vain(poll, 10 * BusyPoll::kPause) == 10);
}

TEST_CASE("looking begins again when it has found something", "[io]") {
  BusyPoll poll({});
  looks_in_vain(poll, 2 * BusyPoll::kPause);
  REQUIRE(poll.look() == BusyPoll::kLook);
  poll.note(true);
  CHECK(looks_in_vain(poll, BusyPoll::kPatience) == BusyPoll::kPatience);
  CHECK(poll.look().count() == 0);
}

TEST_CASE("looks that find something pay for a longer one", "[io]") {
  BusyPoll poll({});
  const auto finds = [&](unsigned times) {
    for (unsigned i = 0; i < times; ++i) poll.note(true);
  };
  CHECK(poll.look_longer().count() == 0);
  poll.note(false);
  finds(BusyPoll::kPrice - 1);
  CHECK(poll.look_longer().count() == 0);
  poll.note(true);
  CHECK(poll.look_longer() == BusyPoll::kLonger);
  poll.note(true);  // which is no gain
  finds(BusyPoll::kPrice - 1);
  CHECK(poll.look_longer().count() == 0);
  poll.note(false);

  finds(1000);
  unsigned longer = 0;
  for (; longer < 100 && poll.look_longer().count() > 0; ++longer) poll.note(longer % 2 == 0);
  CHECK(longer == BusyPoll::kMostSaved / BusyPoll::kPrice);

  BusyPoll fixed(std::chrono::microseconds(7));
  for (int i = 0; i < 1000; ++i) fixed.note(true);
  CHECK(fixed.look_longer().count() == 0);
}

TEST_CASE("who finds something now and then looks at every wait", "[io]") {
  BusyPoll poll({});
  for (int i = 0; i < 100; ++i) {
    CHECK(looks_in_vain(poll, BusyPoll::kPatience - 1) == BusyPoll::kPatience - 1);
    poll.note(true);
  }
}

}  // namespace
}  // namespace rdpipe
