// Streams through buffers and at limited rates, end to end over the loopback link.
#include <array>
#include <memory>

#include "catch.h"
#include "stream/elastic_sink.h"
#include "stream/elastic_source.h"
#include "stream/memory_ends.h"
#include "stream/paced.h"
#include "stream/transfer.h"

using namespace rdpipe;

TEST_CASE(
    "with a buffer at each end a stream arrives as without, and a slow sink holds up nobody before it") {
  const bool sealed = GENERATE(false, true);
  const auto inner = std::make_shared<SlowSink>();
  const auto read = std::make_shared<MemorySource>(pattern(20 * 16_KiB + 1));
  ElasticSource source(read, {.size = 64_KiB});
  ElasticSink sink(inner, {.size = 1_MiB});
  const auto [sent, received] = transfer(source, sink, {.sealed = sealed});
  CAPTURE(sent.text(), received.text());
  REQUIRE(sent.result);
  REQUIRE(received.result);
  CHECK((inner->bytes == pattern(20 * 16_KiB + 1)));
  CHECK(sent.result->root == received.result->root);
}

TEST_CASE("a sink that fails behind a full buffer fails both ends at once") {
  std::array<std::unique_ptr<Ring>, 2> rings;
  ElasticSource source(std::make_shared<MemorySource>(pattern(5'000'000)), {.size = 1_MiB});
  ElasticSink sink(std::make_shared<MemorySink>(200'000), {.size = 1_MiB, .start_write = 100});
  Setup setup;
  setup.rings = &rings;
  const auto [sent, received] = transfer(source, sink, setup);
  CHECK(received.status() == Status::kFileIo);
  CHECK(sent.status() == Status::kFileIo);
  CHECK_THAT(sent.text(), Catch::EndsWith("No space left on device"));
}

TEST_CASE("a stream that ends before a buffer is filled to its mark ends all the same") {
  const std::size_t size = GENERATE(as<std::size_t>(), 0, 1, 100'000);
  const auto inner = std::make_shared<MemorySink>();
  ElasticSource source(std::make_shared<MemorySource>(pattern(size)), {.size = 1_MiB, .start_write = 100});
  ElasticSink sink(inner, {.size = 1_MiB, .start_write = 100});
  const auto [sent, received] = transfer(source, sink, {});
  REQUIRE(received.result);
  CHECK((inner->bytes == pattern(size)));
}

TEST_CASE("a wait for a rate is no standstill, at neither end") {
  const bool at_sender = GENERATE(true, false);
  const auto read = std::make_shared<MemorySource>(pattern(4 * 16_KiB));
  const auto inner = std::make_shared<MemorySink>();
  PacedSource source(read, at_sender ? 20'000 : 1'000'000'000);  // 0.8 s for a slot
  PacedSink sink(inner, at_sender ? 1'000'000'000 : 20'000);
  Setup setup;
  setup.options.stall_limit = std::chrono::milliseconds(500);
  const auto [sent, received] = transfer(source, sink, setup);
  CAPTURE(at_sender, sent.text(), received.text());
  REQUIRE(sent.result);
  REQUIRE(received.result);
  CHECK((inner->bytes == pattern(4 * 16_KiB)));
  CHECK(sent.result->elapsed >= std::chrono::milliseconds(2000));
}

// It takes two seconds to empty the buffer when everything has arrived, and only its own slots show that.
TEST_CASE("a buffer that is being emptied is no standstill, at neither end and with the smallest ring") {
  const std::size_t slots = GENERATE(as<std::size_t>(), 2, 8);
  const auto inner = std::make_shared<SlowSink>();
  MemorySource source(pattern(20 * 16_KiB));
  ElasticSink sink(inner, {.size = 1_MiB});
  Setup setup;
  setup.options.stall_limit = std::chrono::milliseconds(700);
  setup.receiver_ring = {16_KiB, slots};
  const auto [sent, received] = transfer(source, sink, setup);
  CAPTURE(slots, sent.text(), received.text());
  REQUIRE(sent.result);
  REQUIRE(received.result);
  CHECK((inner->bytes == pattern(20 * 16_KiB)));
}

TEST_CASE("what stands around a source hides none of its empty slots") {
  class Idle : public MemorySource {
   public:
    using MemorySource::MemorySource;
    std::size_t empty_slots() const override { return 1; }
  };
  CHECK(PacedSource(std::make_shared<Idle>(pattern(1)), 1000).empty_slots() == 1);
}
