// How long waits look before they sleep.
#include "io/busy_poll.h"

#include <vector>

#include "io/fixtures.h"

namespace rdpipe {
namespace {

// One wait. The times that were looked for; what is waited for comes in the look that `found_in` counts
// from 1.
std::vector<Nanoseconds> wait(BusyPoll& poll, std::size_t found_in = 0,
                              Deadline deadline = Deadline::never()) {
  std::vector<Nanoseconds> times;
  const bool found = poll.find(deadline, [&](Nanoseconds time) {
    times.push_back(time);
    return times.size() == found_in;
  });
  CHECK(found == (found_in > 0 && times.size() == found_in));
  return times;
}
int looks_in_vain(BusyPoll& poll, int waits) {
  std::size_t looks = 0;
  for (int i = 0; i < waits; ++i) looks += wait(poll).size();
  return static_cast<int>(looks);
}
void find_soon(BusyPoll& poll, unsigned times) {
  for (unsigned i = 0; i < times; ++i) wait(poll, 1);
}

const std::vector<Nanoseconds> kShort{BusyPoll::kLook}, kBoth{BusyPoll::kLook, BusyPoll::kLonger};

TEST_CASE("a fixed time is looked for at every wait", "[io]") {
  BusyPoll poll(std::chrono::microseconds(7));
  find_soon(poll, 1000);
  CHECK(looks_in_vain(poll, 1000) == 1000);
  CHECK(wait(poll) == std::vector<Nanoseconds>{std::chrono::microseconds(7)});
  BusyPoll never(Nanoseconds(0));
  CHECK(looks_in_vain(never, 1000) == 0);
}

TEST_CASE("looking stops where nothing comes so soon, and is tried again now and then", "[io]") {
  BusyPoll poll({});
  CHECK(wait(poll) == kShort);
  CHECK(looks_in_vain(poll, BusyPoll::kPatience - 1) == BusyPoll::kPatience - 1);
  CHECK(wait(poll).empty());
  CHECK(looks_in_vain(poll, 10 * BusyPoll::kPause) == 10);
}

TEST_CASE("looking begins again when it has found something", "[io]") {
  BusyPoll poll({});
  looks_in_vain(poll, 2 * BusyPoll::kPause);
  REQUIRE(wait(poll, 1) == kShort);
  CHECK(looks_in_vain(poll, BusyPoll::kPatience) == BusyPoll::kPatience);
  CHECK(wait(poll).empty());
}

TEST_CASE("looks that find something pay for a longer one", "[io]") {
  BusyPoll poll({});
  find_soon(poll, BusyPoll::kPrice - 1);
  CHECK(wait(poll) == kShort);
  find_soon(poll, 1);
  CHECK(wait(poll, 0, Deadline::now()) == kShort);  // no time is left for it
  CHECK(wait(poll, 2) == kBoth);                    // what it finds is no gain
  find_soon(poll, BusyPoll::kPrice - 1);
  CHECK(wait(poll) == kShort);

  find_soon(poll, 1000);
  unsigned longer = 0;
  while (longer < 100 && wait(poll, longer % 2 == 0 ? 2 : 0) == kBoth) ++longer;
  CHECK(longer == BusyPoll::kMostSaved / BusyPoll::kPrice);
}

TEST_CASE("who finds something now and then looks at every wait", "[io]") {
  BusyPoll poll({});
  for (int i = 0; i < 20; ++i) {
    CHECK(looks_in_vain(poll, BusyPoll::kPatience - 1) == BusyPoll::kPatience - 1);
    find_soon(poll, 1);
  }
}

}  // namespace
}  // namespace rdpipe
