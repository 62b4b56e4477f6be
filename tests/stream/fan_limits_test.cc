// Time limits of a fan-out: whom they leave behind, and whom they do not.
#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <thread>

#include "catch.h"
#include "stream/fan_ends.h"

using namespace rdpipe;
using namespace std::chrono_literals;

namespace {

using Rings = std::array<std::unique_ptr<Ring>, 2>;  // for sinks that keep slots

// What others have when one keeps all that it got: that, and the trunk's ring.
constexpr std::size_t kHeldPieces = 8 + 16;

}  // namespace

TEST_CASE(
    "fan: without a buffer a slow receiver holds up the others, who do not take that for a standstill") {
  constexpr std::size_t kSize = 3'000'000;
  CountingSink fast;
  HeldSink slow;
  FanSetup setup = setup_for(2);
  setup.receivers[0].options.stall_limit = 500ms;
  std::size_t reached = 0;
  std::thread opener([&] {
    std::this_thread::sleep_for(1500ms);
    reached = fast.count;
    slow.open = true;
  });
  const FanResult result = fan_out(memory_source(kSize), {&fast, &slow}, setup);
  opener.join();
  CAPTURE(result.text(0), result.text(1), result.received[0].text());
  CHECK(!result.error);
  CHECK(reached > 0);
  CHECK(reached <= (setup.ring.slots + 8) * 16_KiB);  // and what the receiver holds
  CHECK((fast.bytes == pattern(kSize)));
  CHECK((slow.bytes == pattern(kSize)));
}

TEST_CASE("fan: one that holds up the others for too long is left behind, and told") {
  const bool buffered = GENERATE(false, true);
  Rings rings;
  MemorySink fast;
  HeldSink slow;
  FanSetup setup = setup_for(2);
  setup.receivers[1].rings = &rings;
  setup.rules.least = 1;
  setup.rules.drop_slow = 300ms;
  setup.buffer = buffered ? 256_KiB : 0;
  const FanResult result = fan_out(memory_source(3'000'000), {&fast, &slow}, setup);
  CHECK(!result.error);
  REQUIRE(result.sent[0].result);
  CHECK((fast.bytes == pattern(3'000'000)));
  REQUIRE(result.sent[1].error);
  CHECK(result.sent[1].error->status() == Status::kTimeout);
  CHECK_THAT(result.text(1), Catch::Contains("held up the others for 0.3 s"));
  CHECK(result.received[1].status() == Status::kTimeout);
  CHECK_THAT(result.received[1].text(), Catch::Contains("held up the others"));
  CHECK_THAT(result.received[1].text(), !Catch::Contains("--timeout"));
  CHECK(!slow.finished);
}

TEST_CASE("fan: one that is behind for a while, and nobody waits, is not left behind") {
  MemorySink fast;
  HeldSink slow;
  FanSetup setup = setup_for(2);
  setup.rules.drop_slow = 200ms;
  setup.buffer = 4_MiB;
  std::thread opener([&] {
    std::this_thread::sleep_for(1s);
    slow.open = true;
  });
  const FanResult result = fan_out(memory_source(3'000'000), {&fast, &slow}, setup);
  opener.join();
  CAPTURE(result.text(1));
  CHECK(!result.error);
  CHECK((slow.bytes == pattern(3'000'000)));
}

TEST_CASE("fan: one that is stuck is given up by the time limit, and no other") {
  Rings rings;
  MemorySink fast;
  HeldSink slow;
  FanSetup setup = setup_for(2);
  setup.receivers[1].rings = &rings;
  setup.rules.least = 1;
  setup.rules.stream.stall_limit = 500ms;
  const FanResult result = fan_out(memory_source(3'000'000), {&fast, &slow}, setup);
  CAPTURE(result.text(0), result.text(1));
  CHECK(!result.error);
  CHECK(result.sent[0].result.has_value());
  REQUIRE(result.sent[1].error);
  CHECK(result.sent[1].error->status() == Status::kTimeout);
}

// Over RDMA what it is told while it waits takes what it has granted.
TEST_CASE("fan: one that stops while it waits for another is given up like any other") {
  const bool by_limit = GENERATE(false, true);
  CountingSink fast, stopped;
  HeldSink slow;
  std::atomic<std::size_t> allowance = SIZE_MAX;
  FanSetup setup = setup_for(3);
  setup.rules.least = 2;
  setup.allowances[1] = &allowance;
  (by_limit ? setup.rules.stream.stall_limit : setup.rules.drop_slow) = 2s;
  std::thread opener([&] {
    for (const CountingSink* sink : {&fast, &stopped}) CHECK(comes_to(sink->count, kHeldPieces * 16_KiB));
    std::this_thread::sleep_for(100ms);
    allowance = 0;
    std::this_thread::sleep_for(300ms);
    slow.open = true;
  });
  const FanResult result = fan_out(memory_source(3'000'000), {&fast, &stopped, &slow}, setup);
  opener.join();
  CAPTURE(by_limit, result.text(0), result.text(1), result.text(2));
  CHECK(!result.error);
  CHECK((fast.bytes == pattern(3'000'000)));
  CHECK((slow.bytes == pattern(3'000'000)));
  REQUIRE(result.sent[1].error);
  CHECK(result.sent[1].error->status() == Status::kTimeout);
}

TEST_CASE("fan: one that has taken all, and has granted no more yet, holds up nobody") {
  Rings rings;
  MemorySink fast, level;
  HeldSink stopped;
  std::atomic<std::size_t> allowance = kHeldPieces;
  FanSetup setup = setup_for(3);
  setup.receivers[2].rings = &rings;
  setup.rules.least = 2;
  setup.rules.drop_slow = 500ms;
  setup.rules.failed = [&](std::size_t) { allowance = SIZE_MAX; };
  setup.allowances[1] = &allowance;
  const FanResult result = fan_out(memory_source(3'000'000), {&fast, &level, &stopped}, setup);
  CAPTURE(result.text(0), result.text(1), result.text(2));
  CHECK(!result.error);
  CHECK(!result.sent[1].error);
  CHECK((level.bytes == pattern(3'000'000)));
  CHECK(result.sent[2].error);
}

TEST_CASE("fan: the time limit is for each by itself, also while others are served out of a buffer") {
  constexpr std::size_t kSize = 4_MiB;  // takes 2.5 s
  Rings rings;
  CountingSink fast;
  HeldSink stopped;
  FanSetup setup = setup_for(2);
  setup.receivers[1].rings = &rings;
  setup.rules.least = 1;
  setup.rules.stream.stall_limit = 700ms;
  setup.buffer = 2 * kSize;
  std::size_t reached = 0;
  setup.rules.failed = [&](std::size_t) { reached = fast.count; };
  const FanResult result =
      fan_out(std::make_shared<TricklingSource>(pattern(kSize)), {&fast, &stopped}, setup);
  CAPTURE(result.text(0), result.text(1));
  CHECK(!result.error);
  CHECK(fast.count == kSize);
  REQUIRE(result.sent[1].error);
  CHECK(result.sent[1].error->status() == Status::kTimeout);
  CHECK(reached > 0);
  CHECK(reached < kSize);
}
