// What whoever listens hears of a stream, over the loopback link.
#include <chrono>
#include <vector>

#include "catch.h"
#include "stream/memory_ends.h"
#include "stream/progress.h"
#include "stream/transfer.h"

using namespace rdpipe;

TEST_CASE("who listens hears how far a stream is, also while nothing moves") {
  MemorySink sink;
  Setup setup;
  std::vector<StreamProgress> heard;
  setup.options.progress = [&](const StreamProgress& progress) { heard.push_back(progress); };
  const auto send = [&](Loop& loop, std::unique_ptr<Link> link) {
    BusySource source(pattern(10000), true);
    return send_end(loop, setup, std::move(link), source);
  };
  Setup silent;
  const auto [sent, received] = transfer(send, sink, silent);
  REQUIRE(sent.result);
  REQUIRE(heard.size() >= 3);  // in the second and a half before the first byte
  CHECK(heard.size() <= 100);
  for (const StreamProgress& progress : heard) {
    CHECK(progress.bytes <= 10000);
    CHECK(progress.buffer.held <= progress.buffer.size);
    CHECK(progress.buffer.size == 16_KiB * 8);
    CHECK(progress.fabric == "local");
  }
  CHECK(heard.front().bytes == 0);
  CHECK(heard.front().buffer.held == 0);
}

TEST_CASE("behind a slow reader the receiver's buffer fills up, or is as full as the sink says its own is") {
  const bool has_own = GENERATE(false, true);
  class BufferedSink : public SlowSink {
   public:
    std::optional<BufferFill> buffer() const override { return BufferFill{7, 9}; }
  };
  SlowSink plain;
  BufferedSink buffered;
  SlowSink& sink = has_own ? buffered : plain;
  MemorySource source(pattern(20 * 16_KiB));
  Setup setup;
  BufferFill fullest;
  setup.options.progress = [&](const StreamProgress& progress) {
    if (progress.buffer.held >= fullest.held) fullest = progress.buffer;
  };
  const auto send = [&](Loop& loop, std::unique_ptr<Link> link) {
    return send_end(loop, {}, std::move(link), source);
  };
  const auto [sent, received] = transfer(send, sink, setup);
  REQUIRE(received.result);
  CHECK(fullest.size == (has_own ? 9 : 8 * 16_KiB));
  CHECK(fullest.held >= (has_own ? 7 : 6 * 16_KiB));
  CHECK(fullest.held <= fullest.size);
  CHECK(sink.bytes == pattern(20 * 16_KiB));
}
