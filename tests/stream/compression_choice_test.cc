#include "stream/compression_choice.h"

#include <functional>

#include "catch.h"
#include "ground/units.h"
#include "wire/frame.h"

using namespace rdpipe;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t kFrame = 256_KiB;

// A stream that takes `time_of` for a frame of each method: what the choice makes of it.
struct Stream {
  using Cost = std::function<Nanoseconds(std::uint8_t method)>;

  std::uint8_t frame(const Cost& cost, bool shrinks = true) {
    const std::uint8_t method = choice.next(kFrame, now);
    choice.learn(method != 0 && shrinks);
    now += cost(method);
    return method;
  }
  // How many of `count` frames had `method`.
  std::size_t count(std::size_t frames, std::uint8_t method, const Cost& cost, bool shrinks = true) {
    std::size_t found = 0;
    for (std::size_t i = 0; i < frames; ++i) found += frame(cost, shrinks) == method ? 1U : 0U;
    return found;
  }

  CompressionChoice choice{CompressionUse::kAuto, kCompressionFlags};
  Clock::time_point now{};
};

Stream::Cost costs(Nanoseconds zstd, Nanoseconds lz4, Nanoseconds plain) {
  return [=](std::uint8_t method) { return method == kFlagZstd ? zstd : method == kFlagLz4 ? lz4 : plain; };
}

}  // namespace

TEST_CASE("what a user names is used throughout, where it was agreed on") {
  CompressionChoice zstd(CompressionUse::kZstd, kFlagZstd), lz4(CompressionUse::kLz4, kFlagLz4);
  CompressionChoice none(CompressionUse::kOff, kCompressionFlags), refused(CompressionUse::kAuto, 0);
  Clock::time_point now{};
  for (int i = 0; i < 10'000; ++i, now += 1ms) {
    REQUIRE(zstd.next(kFrame, now) == kFlagZstd);
    REQUIRE(lz4.next(kFrame, now) == kFlagLz4);
    REQUIRE(none.next(kFrame, now) == 0);
    REQUIRE(refused.next(kFrame, now) == 0);
    zstd.learn(false);
    lz4.learn(false);
  }
}

TEST_CASE("auto stays with what moves most, and with what sends least where all move as much") {
  const auto most_used = [](const Stream::Cost& cost) {
    for (const std::uint8_t method : {kFlagZstd, kFlagLz4, std::uint8_t{0}}) {
      Stream stream;
      static_cast<void>(stream.count(2000, 0, cost));
      if (stream.count(10'000, method, cost) >= 9'000) return static_cast<int>(method);
    }
    return -1;
  };
  CHECK(most_used(costs(1ms, 2ms, 3ms)) == kFlagZstd);  // a slow line
  CHECK(most_used(costs(600us, 200us, 250us)) == kFlagLz4);
  CHECK(most_used(costs(600us, 300us, 100us)) == 0);    // a fast one
  CHECK(most_used(costs(1ms, 1ms, 1ms)) == kFlagZstd);  // a slow reader
  CHECK(most_used(costs(105us, 102us, 100us)) == kFlagZstd);
  CHECK(most_used(costs(100ms, 200ms, 300ms)) == kFlagZstd);
}

TEST_CASE("auto looks again: a line that becomes slow is noticed") {
  Stream stream;
  const auto fast = costs(600us, 300us, 100us), slow = costs(4ms, 8ms, 12ms);
  static_cast<void>(stream.count(5000, 0, fast));
  CHECK(stream.count(1000, 0, fast) > 850);
  static_cast<void>(stream.count(5000, 0, slow));
  CHECK(stream.count(1000, kFlagZstd, slow) > 850);
}

TEST_CASE("auto takes a source that gives nothing for no slowness of the method") {
  Stream stream;
  for (int i = 0; i < 10'000; ++i) {
    CHECK(stream.frame(costs(1us, 1us, 1us)) == kFlagZstd);
    stream.choice.starved();
    stream.now += i % 3 == 0 ? 1s : 1ms;
  }
}

TEST_CASE("auto leaves alone what does not shrink, and looks again") {
  Stream stream;
  const auto cost = costs(1ms, 1ms, 1ms);
  static_cast<void>(stream.count(100, 0, cost, false));
  CHECK(stream.count(1000, 0, cost, false) > 950);
  static_cast<void>(stream.count(100, 0, cost));
  CHECK(stream.count(50, kFlagZstd, cost) == 50);
}

TEST_CASE("auto does without the method that the other end does not know") {
  CompressionChoice choice(CompressionUse::kAuto, kFlagLz4);
  Clock::time_point now{};
  for (int i = 0; i < 1000; ++i, now += 1ms) {
    REQUIRE((choice.next(kFrame, now) & kFlagZstd) == 0);
    choice.learn(true);
  }
}
