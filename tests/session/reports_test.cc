// How many lines those who are turned away can cause.
#include "session/reports.h"

#include <fmt/format.h>

#include <memory>
#include <string>
#include <vector>

#include "catch.h"

using namespace rdpipe;

namespace {

using Lines = std::vector<std::string>;

struct Log {
  Lines lines;
  std::unique_ptr<Reports> reports =
      std::make_unique<Reports>([this](const std::string& line) { lines.push_back(line); });
  const Clock::time_point start = Clock::now();

  Lines take() { return std::exchange(lines, {}); }
};

}  // namespace

TEST_CASE("three lines of a source in a window, then how many more there were") {
  Log log;
  for (int i = 0; i < 100; ++i) log.reports->add("from 10.0.0.1", std::to_string(i), log.start);
  CHECK(log.take() == Lines{"0", "1", "2"});
  CHECK(log.reports->due().when() == log.start + Reports::kWindow);
  log.reports->refresh(log.start + Reports::kWindow / 2);
  CHECK(log.take().empty());
  log.reports->refresh(log.start + Reports::kWindow);
  CHECK(log.take() == Lines{"and 97 more from 10.0.0.1"});
  CHECK(log.reports->due().is_never());
  log.reports->add("from 10.0.0.1", "later", log.start + Reports::kWindow);
  CHECK(log.take() == Lines{"later"});
  CHECK(log.reports->due().is_never());  // nothing is left to tell
}

TEST_CASE("one source that says much hides no other") {
  Log log;
  for (int i = 0; i < 10; ++i) log.reports->add("from 10.0.0.1", "one", log.start);
  log.reports->add("from 10.0.0.2", "two", log.start);
  CHECK(log.take() == Lines{"one", "one", "one", "two"});
  log.reports->add("with key x", "three", log.start + 2 * Reports::kWindow);  // it is late already
  CHECK(log.take() == Lines{"and 7 more from 10.0.0.1", "three"});
}

TEST_CASE("however many sources there are, the lines of a window are bounded") {
  Log log;
  for (int i = 0; i < 100'000; ++i) {
    log.reports->add(fmt::format("from {}", i % 1000), "line", log.start);
  }
  log.reports->refresh(log.start + Reports::kWindow);
  const Lines lines = log.take();
  CHECK(lines.size() == Reports::kSources * (Reports::kLines + 1) + 1);
  CHECK(lines.back() == "and 98400 more of others");
}

TEST_CASE("at the end nothing is left unsaid") {
  Log log;
  for (int i = 0; i < 5; ++i) log.reports->add("from 10.0.0.1", "line", log.start);
  log.reports.reset();
  CHECK(log.lines.back() == "and 2 more from 10.0.0.1");
}
