// Copies that run at once, and make one destination.
#include "tree/destination.h"

#include <fcntl.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <functional>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "catch.h"
#include "files/scratch.h"
#include "ground/deadline.h"
#include "ground/error.h"
#include "tree/directory.h"

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

using Wrongs = std::vector<std::string>;

// Makes a path in each round; what went wrong.
Wrongs make_them(const Scratch& scratch, Race& race, const std::function<bool(const std::string&)>& make) {
  Wrongs wrong;
  for (int round = 0; round < race.rounds; ++round) {
    const std::string path = scratch / std::to_string(round);
    race.begin(round);
    try {
      if (!make(path)) wrong.push_back(path + ": " + std::strerror(errno));
    } catch (const Error& error) {
      wrong.emplace_back(error.what());
    }
  }
  return wrong;
}

void race_to_make(const std::function<bool(const std::string&)>& make) {
  const Scratch scratch;
  Race race;
  auto other = std::async(std::launch::async, [&] { return make_them(scratch, race, make); });
  const Wrongs here = make_them(scratch, race, make);
  const Wrongs there = other.get();
  CAPTURE(here, there);
  CHECK((here.empty() && there.empty()));
}

}  // namespace

TEST_CASE("two copies that make one destination at once both have it") {
  EntryRecord first;
  first.type = EntryType::kDirectory;
  first.name = ".";
  race_to_make([&](const std::string& path) {
    return static_cast<bool>(resolve_destination(path, {}, 1, first).directory);
  });
}

TEST_CASE("two threads that make one directory for backups at once both have it") {
  race_to_make([](const std::string& path) {
    return static_cast<bool>(open_path(AT_FDCWD, path + "/in/it", path.size(), 0700));
  });
}
