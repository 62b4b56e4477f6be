#include "datagram/paths.h"

#include <atomic>
#include <thread>

#include "catch.h"

using namespace rdpipe;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

DatagramPath path_to(unsigned char last) {
  DatagramPath path{.global = true};
  path.gid[15] = std::byte{last};
  return path;
}

Nanoseconds time_of_find(PathCache& paths, unsigned char last) {
  const auto before = Clock::now();
  CHECK(paths.find(path_to(last), 0) == nullptr);
  return Clock::now() - before;
}

}  // namespace

TEST_CASE("who is looked for in vain holds up a sender for a moment, and others not at all") {
  PathCache paths(
      [](const DatagramPath&) {
        std::this_thread::sleep_for(seconds(1));
        return std::optional<AddressHandle>();
      },
      8);
  CHECK(time_of_find(paths, 1) < milliseconds(700));
  for (unsigned char last = 1; last < 40; ++last) CHECK(time_of_find(paths, last) < milliseconds(100));
  CHECK(paths.size() == 0);
}

TEST_CASE("what leads nowhere is told at once, and tried again after a second, then after two") {
  std::atomic<int> tries{0};
  PathCache paths(
      [&tries](const DatagramPath&) {
        ++tries;
        return std::optional<AddressHandle>();
      },
      8);
  time_of_find(paths, 1);
  CHECK(tries == 1);
  CHECK(paths.size() == 1);
  const auto began = Clock::now();
  while (tries < 3 && Clock::now() - began < seconds(20)) {
    time_of_find(paths, 1);
    std::this_thread::sleep_for(milliseconds(5));
  }
  CHECK(tries == 3);
  CHECK(Clock::now() - began >= milliseconds(2900));
}

TEST_CASE("paths that are still looked for are waited for when their endpoint goes") {
  std::atomic<bool> looked{false};
  {
    PathCache paths(
        [&looked](const DatagramPath&) {
          std::this_thread::sleep_for(seconds(1));
          looked = true;
          return std::optional<AddressHandle>();
        },
        8);
    time_of_find(paths, 1);
    CHECK_FALSE(looked);
  }
  CHECK(looked);
}
