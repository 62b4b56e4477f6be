// One stream to several receivers, over the loopback link.
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "catch.h"
#include "stream/fan_ends.h"

using namespace rdpipe;
using namespace std::chrono_literals;

namespace {

// Starts what waits for `count` bytes to have come to `sink`, and then opens `held`.
std::thread open_when(const CountingSink& sink, std::size_t count, HeldSink& held) {
  return std::thread([&sink, count, &held] {
    static_cast<void>(comes_to(sink.count, count));
    held.open = true;
  });
}

enum class Answer : std::uint8_t { kCommitted, kGivenUp, kNone, kLost };

// Has everything, and what becomes of it shows when it is to be given up; for kNone that takes too long.
class UndecidedSink : public MemorySink {
 public:
  explicit UndecidedSink(Answer answer) : answer_(answer) {}
  void finish() override { ended = true; }
  bool committed() const override { return placed_; }
  bool in_place_after_all() override {
    if (answer_ == Answer::kNone) std::this_thread::sleep_for(3s);
    return placed_ = answer_ != Answer::kGivenUp;
  }

  std::atomic<std::size_t> ended = 0;

 private:
  Answer answer_;
  bool placed_ = false;
};

// Fails at its end, once another has come to its own.
class FailingSink : public MemorySink {
 public:
  explicit FailingSink(const std::atomic<std::size_t>& other) : other_(other) {}
  void finish() override {
    static_cast<void>(comes_to(other_, 1));
    throw_errno(ENOSPC, Status::kFileIo, "store 'out'");
  }

 private:
  const std::atomic<std::size_t>& other_;
};

}  // namespace

TEST_CASE("fan: all receivers have what was sent, sealed or compressed or as it is") {
  const std::size_t size = GENERATE(as<std::size_t>(), 0, 1, 16384, 16385, 1000000);
  MemorySink first, second, third;
  FanSetup setup = setup_for(3);
  setup.receivers[1].sealed = true;
  setup.receivers[2].options.compression.use = CompressionUse::kLz4;
  setup.rules.stream.compression.use = CompressionUse::kLz4;
  const FanResult result = fan_out(memory_source(size), {&first, &second, &third}, setup);
  CAPTURE(size, result.text(0), result.text(1), result.text(2));
  CHECK(!result.error);
  for (const MemorySink* sink : {&first, &second, &third}) {
    CHECK((sink->bytes == pattern(size)));
    CHECK(sink->finished);
  }
  for (std::size_t i = 0; i < 3; ++i) {
    REQUIRE(result.sent[i].result);
    REQUIRE(result.received[i].result);
    CHECK(result.sent[i].result->bytes == size);
    CHECK(result.sent[i].result->root == result.received[0].result->root);
    CHECK(result.received[i].result->root.has_value());
  }
  CHECK(result.slots_left_out == 0);
}

TEST_CASE("fan: one that wants no digest gets none, and the others do") {
  MemorySink first, second;
  FanSetup setup = setup_for(2);
  setup.receivers[1].digest = false;
  const FanResult result = fan_out(memory_source(100000), {&first, &second}, setup);
  REQUIRE(result.received[0].result);
  REQUIRE(result.received[1].result);
  CHECK(result.received[0].result->root.has_value());
  CHECK(!result.received[1].result->root.has_value());
  CHECK((second.bytes == pattern(100000)));
}

TEST_CASE("fan: a hole arrives as zeros everywhere, also one that is longer than a frame may tell of") {
  const std::uint64_t hole = GENERATE(as<std::uint64_t>(), 3000000, kMaxHoleLength + 1);
  MemorySink first, second;
  const auto source = std::make_shared<MemorySource>(pattern(40000), hole);
  const FanResult result = fan_out(source, {&first, &second}, setup_for(2));
  CAPTURE(result.text(0), result.text(1));
  CHECK(!result.error);
  REQUIRE(first.bytes.size() == 40000 + hole);
  CHECK((first.bytes == second.bytes));
  CHECK(first.bytes[16384] == std::byte{0});
  CHECK(first.bytes[16384 + hole] == pattern(40000)[16384]);
}

TEST_CASE("fan: behind a buffer that is large enough a slow receiver holds up nobody") {
  constexpr std::size_t kSize = 3'000'000;
  const bool sealed = GENERATE(false, true);
  CountingSink fast;
  HeldSink slow;
  FanSetup setup = setup_for(2);
  setup.buffer = kSize;
  setup.receivers[1].sealed = sealed;
  std::thread opener = open_when(fast, kSize, slow);
  const FanResult result = fan_out(memory_source(kSize), {&fast, &slow}, setup);
  opener.join();
  CAPTURE(sealed, result.text(0), result.text(1));
  CHECK(!result.error);
  CHECK((fast.bytes == pattern(kSize)));
  CHECK((slow.bytes == pattern(kSize)));
  CHECK(result.received[0].result->elapsed < 15s);
  CHECK(result.slots_left_out == 0);
}

TEST_CASE("fan: small pieces that wait for a slow receiver do not take a slot of the buffer each") {
  constexpr std::size_t kSize = 300'000;  // 3000 pieces, in 20 slots
  CountingSink fast;
  HeldSink slow;
  FanSetup setup = setup_for(2);
  setup.buffer = kSize + 6 * 16_KiB;
  std::thread opener = open_when(fast, kSize, slow);
  const auto source = std::make_shared<PieceSource>(pattern(kSize), 100);
  const FanResult result = fan_out(source, {&fast, &slow}, setup);
  opener.join();
  CHECK(!result.error);
  CHECK(fast.count == kSize);
  CHECK((slow.bytes == pattern(kSize)));
}

TEST_CASE("fan: one that fails is left behind while enough are left, and otherwise nobody commits") {
  const std::size_t least = GENERATE(as<std::size_t>(), 1, 2, 3);
  const bool breaks = GENERATE(false, true);  // the connection, or the disk
  MemorySink first, third;
  MemorySink second(breaks ? SIZE_MAX : 200'000);
  FanSetup setup = setup_for(3);
  setup.rules.least = least;
  if (breaks) setup.receivers[1].faults.from_first = {{FaultAction::kDrop, data_frame(7)}};
  const FanResult result = fan_out(memory_source(3'000'000), {&first, &second, &third}, setup);
  CAPTURE(least, breaks, result.text(0), result.text(1), result.text(2));
  const Status status = breaks ? Status::kNetwork : Status::kFileIo;
  REQUIRE(result.sent[1].error);
  CHECK(result.sent[1].error->status() == status);
  CHECK(!result.sent[1].given_up);
  CHECK(result.error.has_value() == (least == 3));
  for (const std::size_t other : {std::size_t{0}, std::size_t{2}}) {
    CHECK(result.sent[other].result.has_value() == (least < 3));
    CHECK(result.sent[other].given_up == (least == 3));
    CHECK(result.received[other].status() == (least < 3 ? Status::kOk : status));
  }
  CHECK(first.finished == (least < 3));
  CHECK(third.finished == (least < 3));
  if (least == 3) {
    CHECK(result.error->status() == status);
    CHECK_THAT(result.error->what(), Catch::Contains("2 can commit and 3 must: receiver 1: "));
    CHECK_THAT(result.received[0].text(), Catch::Contains("2 can commit and 3 must"));
  }
  CHECK(result.slots_left_out == 0);
}

TEST_CASE("fan: one that is given up behind the end is asked what became of it") {
  const auto answer = GENERATE(Answer::kCommitted, Answer::kGivenUp, Answer::kNone, Answer::kLost);
  UndecidedSink first(answer);
  FailingSink second(first.ended);
  FanSetup setup = setup_for(2);
  LoopbackLink* link = nullptr;
  if (answer == Answer::kLost) {  // before anybody looks again: two must commit, so the second's end is all's
    setup.linked = [&](std::size_t index, LoopbackLink& made) { link = index == 0 ? &made : link; };
    setup.rules.failed = [&](std::size_t index) {
      if (index == 1) link->drop();
    };
  }
  const FanResult result = fan_out(memory_source(100'000), {&first, &second}, setup);
  CAPTURE(answer, result.text(0), result.text(1));
  REQUIRE(result.error);
  CHECK(result.error->status() == Status::kFileIo);
  CHECK(result.sent[1].error.has_value());
  CHECK(!result.sent[1].given_up);
  CHECK(!result.sent[1].unknown);
  const bool committed = answer == Answer::kCommitted;
  const bool unknown = answer == Answer::kNone || answer == Answer::kLost;
  CHECK(result.sent[0].result.has_value() == committed);
  CHECK(result.sent[0].error.has_value() == !committed);
  CHECK(result.sent[0].given_up == !committed);
  CHECK(result.sent[0].unknown == unknown);
  CHECK((result.text(0).find("whether it has the data is unknown") != std::string::npos) == unknown);
  CHECK(result.received[0].status() == (answer == Answer::kGivenUp ? Status::kFileIo : Status::kOk));
}

TEST_CASE("fan: a source that fails fails all") {
  MemorySink first, second;
  FanSetup setup = setup_for(2);
  setup.rules.least = 1;
  const auto source = std::make_shared<MemorySource>(pattern(1'000'000), 0, 500'000);
  const FanResult result = fan_out(source, {&first, &second}, setup);
  REQUIRE(result.error);
  CHECK(result.error->status() == Status::kFileIo);
  for (const Outcome& received : result.received) {
    CHECK(received.status() == Status::kFileIo);
    CHECK_THAT(received.text(), Catch::Contains("read 'in'"));
  }
  CHECK(!first.finished);
  CHECK(!second.finished);
}

TEST_CASE("fan: the buffer is filled while all receivers pause") {
  constexpr std::size_t kSize = 32_MiB;
  HeldSink first, second;
  FanSetup setup = setup_for(2);
  setup.buffer = kSize + 1_MiB;
  const auto source = std::make_shared<CountingSource>(pattern(kSize));
  bool all_read = false;
  std::thread opener([&] {
    all_read = comes_to(source->count, kSize);
    first.open = second.open = true;
  });
  const FanResult result = fan_out(source, {&first, &second}, setup);
  opener.join();
  CHECK(all_read);
  CHECK(!result.error);
  CHECK((first.bytes == second.bytes));
}

TEST_CASE("fan: pieces fit where they are copied to, and only what sends them as they are must reach them") {
  MemorySink first, second;
  FanSetup setup = setup_for(2);
  setup.receivers[1].sealed = true;
  setup.altered_slot = 8_KiB;
  const FanResult result = fan_out(memory_source(100'000), {&first, &second}, setup);
  CHECK(!result.error);
  CHECK(result.max_payload == 8_KiB);
  CHECK(result.reaching_links == 1);
  CHECK((first.bytes == pattern(100'000)));
  CHECK((second.bytes == pattern(100'000)));
}

TEST_CASE("fan: holes that wait for one that has stopped are one") {
  constexpr int kHoles = 1000;
  Loop loop;
  Ring ring({16_KiB, 4}), headers({4_KiB, 4}), other_headers({4_KiB, 4});
  Trunk trunk(std::make_shared<HoleSource>(kHoles), false, "");
  Branch branch(trunk, false), stopped(trunk, false);
  branch.start(loop, headers, 16_KiB);
  stopped.start(loop, other_headers, 16_KiB);
  trunk.start(loop, ring, 16_KiB, 0);
  std::uint64_t length = 0;
  for (auto event = branch.poll(true); event && std::holds_alternative<Hole>(*event);
       event = branch.poll(true)) {
    length += std::get<Hole>(*event).length;
    REQUIRE(trunk.pieces() <= 2);
  }
  CHECK(length == kHoles * kMaxHoleLength);
  const auto event = stopped.poll(true);
  REQUIRE(event);
  CHECK(std::get<Hole>(*event).length == length);
  CHECK(std::holds_alternative<SourceEnd>(stopped.poll(true).value()));
}

TEST_CASE("fan: with too few at first nothing is read") {
  Loop loop;
  Ring ring({16_KiB, 4});
  Trunk trunk(memory_source(1000), true, "");
  Fan::Rules rules;
  rules.least = 2;
  std::vector<std::string> heard;
  Fan fan(loop, trunk, {"db1:1", "db2:2", "db3:3"}, rules);
  fan.fail(0, Error(Status::kConnectTimeout, "connect to db1:1", "no answer"));
  fan.require_enough();
  fan.fail(2, Error(Status::kAuthentication, "connect to db3:3", "wrong key"));
  try {
    fan.require_enough();
    FAIL("there are not enough");
  } catch (const Error& error) {
    CHECK(error.status() == Status::kConnectTimeout);
    CHECK(error.what() ==
          std::string("send to 3 receivers: 1 can commit and 2 must: connect to db1:1: no answer"));
    fan.give_up(error);
  }
  CHECK(fan.over());
  CHECK(fan.outcome(1).given_up);
  CHECK(!trunk.started());
}

TEST_CASE("fan: progress is that of the slowest") {
  MemorySink fast;
  SlowSink slow;  // a slot each 100 ms
  FanSetup setup = setup_for(2);
  setup.buffer = 1_MiB;
  std::vector<StreamProgress> told;
  setup.rules.stream.progress = [&told](const StreamProgress& progress) { told.push_back(progress); };
  const FanResult result = fan_out(memory_source(20 * 16_KiB), {&fast, &slow}, setup);
  CHECK(!result.error);
  REQUIRE(told.size() >= 3);
  CHECK(told[1].bytes < 20 * 16_KiB);
  CHECK(told.back().bytes <= 20 * 16_KiB);
  CHECK(told.back().buffer.size >= 1_MiB);
  CHECK(told.back().buffer.size < 2_MiB);
}
