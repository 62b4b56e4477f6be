// A rate that is kept: on average and over every 50 ms, whatever the loop does.
#include <algorithm>
#include <vector>

#include "catch.h"
#include "stream/pace.h"

using namespace rdpipe;

namespace {

using std::chrono::milliseconds;

struct Spent {
  Clock::time_point when;
  std::uint64_t bytes;
};

// Spends `piece` whenever it may, at a loop that is `late` and looks no oftener than that.
std::vector<Spent> spend_for(Pace& pace, Clock::time_point begin, Nanoseconds span, std::uint64_t piece,
                             Nanoseconds late) {
  std::vector<Spent> all;
  auto now = begin;
  while (now < begin + span) {
    while (pace.ready(now)) {
      pace.spend(now, piece);
      all.push_back({now, piece});
    }
    now = std::max(pace.next(), now) + late;
  }
  return all;
}

std::uint64_t sum(const std::vector<Spent>& all) {
  std::uint64_t bytes = 0;
  for (const Spent& spent : all) bytes += spent.bytes;
  return bytes;
}

std::uint64_t most_within(const std::vector<Spent>& all, Nanoseconds window) {
  std::uint64_t most = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    std::uint64_t bytes = 0;
    for (std::size_t j = i; j < all.size() && all[j].when < all[i].when + window; ++j) bytes += all[j].bytes;
    most = std::max(most, bytes);
  }
  return most;
}

}  // namespace

TEST_CASE("a rate is kept within one percent, however late the loop wakes") {
  const auto late = GENERATE(milliseconds(0), milliseconds(1), milliseconds(7), milliseconds(30));
  Pace pace(10'000'000);
  const auto begin = Clock::now();
  const auto all = spend_for(pace, begin, std::chrono::seconds(10), 125'000, late);
  CAPTURE(late.count());
  CHECK(sum(all) >= 99'000'000);
  CHECK(sum(all) <= 100'600'000);
}

TEST_CASE("nothing comes in bursts, not at the start and not after a rest") {
  Pace pace(10'000'000);
  const auto begin = Clock::now();
  auto all = spend_for(pace, begin, std::chrono::seconds(1), 125'000, milliseconds(1));
  CHECK(most_within(all, milliseconds(1)) <= 250'000);
  const auto rested =
      spend_for(pace, begin + std::chrono::seconds(100), std::chrono::seconds(1), 125'000, milliseconds(1));
  CHECK(most_within(rested, milliseconds(1)) <= 625'000);  // 40 ms, and the piece that goes now
  CHECK(sum(rested) <= 10'750'000);
}

TEST_CASE("the slowest rate waits for seconds, not for ever") {
  Pace pace(1);
  const auto begin = Clock::now();
  pace.spend(begin, 10);
  CHECK(!pace.ready(begin + std::chrono::seconds(9)));
  CHECK(pace.ready(begin + std::chrono::seconds(10)));
}
