// Copies that run at once, and make one destination.
#include "tree/destination.h"

#include <atomic>
#include <future>
#include <thread>

#include "catch.h"
#include "files/scratch.h"
#include "ground/deadline.h"
#include "ground/error.h"

using namespace rdpipe;
using namespace rdpipe::test;

namespace {

// Two that begin each round together: those of a second, at most 500.
struct Race {
  std::atomic<int> begun = 0;
  std::atomic<int> rounds = 500;
  Deadline end = Deadline::in(std::chrono::seconds(1));

  void begin(int round) {
    if (end.passed()) rounds = round + 1;  // before the other can have begun the next
    ++begun;
    while (begun < 2 * (round + 1)) std::this_thread::yield();
  }
};

// Makes a destination in each round; what went wrong.
std::string make_them(const Scratch& scratch, Race& race) {
  std::string wrong;
  EntryRecord first;
  first.type = EntryType::kDirectory;
  first.name = ".";
  for (int round = 0; round < race.rounds; ++round) {
    const std::string path = scratch / std::to_string(round);
    race.begin(round);
    try {
      const Destination made = resolve_destination(path, {}, 1, first);
      if (!made.directory) wrong = path + ": no directory";
    } catch (const Error& error) {
      wrong = error.what();
    }
  }
  return wrong;
}

}  // namespace

TEST_CASE("two copies that make one destination at once both have it") {
  const Scratch scratch;
  Race race;
  auto other = std::async(std::launch::async, [&] { return make_them(scratch, race); });
  CHECK(make_them(scratch, race).empty());
  CHECK(other.get().empty());
}
