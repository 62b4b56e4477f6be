// The buffer before a sink: what passes it by, what waits in it, and what it is bounded by.
#include <memory>
#include <utility>

#include "catch.h"
#include "stream/elastic_ends.h"
#include "stream/elastic_sink.h"
#include "stream/stream.h"

using namespace rdpipe;

TEST_CASE("a sink that keeps up gets the ring's slots as they come") {
  Loop loop;
  Ring ring({kSlot, 8});
  const auto inner = std::make_shared<GatedSink>();
  ElasticSink sink(inner, {.size = 1_MiB});
  sink.start(loop, ring, {});
  const auto bytes = pattern(3 * kSlot);
  CHECK(write_all(sink, ring, bytes) == bytes.size());
  CHECK(inner->slots_of(ring) == 3);
  CHECK(sink.fill_percent() == 0);
  inner->open = true;
  sink.poll();
  CHECK((inner->bytes == bytes));
}

TEST_CASE("what a busy sink does not take goes into the buffer, and the slots go home") {
  const bool counts = GENERATE(true, false);
  Loop loop;
  Ring ring({kSlot, 8});
  const auto inner = std::make_shared<GatedSink>();
  inner->counts = counts;
  ElasticSink sink(inner, {.size = 20 * kSlot});
  sink.start(loop, ring, {});
  auto bytes = pattern(50 * kSlot);
  std::size_t done = 0;
  for (int i = 0; i < 10; ++i) {
    done += write_all(sink, ring, std::span(bytes).subspan(done));
    sink.poll();
  }
  CAPTURE(counts);
  CHECK(inner->slots_of(ring) == (counts ? 4 : 0));  // half the ring is passed on
  CHECK(done == (20 + 8) * kSlot);                   // then the sender has to wait
  CHECK(ring.free_slots() == 0);
  CHECK(inner->bytes.empty());
  inner->open = true;
  for (int i = 0; i < 20; ++i) {
    done += write_all(sink, ring, std::span(bytes).subspan(done));
    sink.poll();
  }
  CHECK(done == bytes.size());
  CHECK((inner->bytes == bytes));
  CHECK(ring.free_slots() == 8);
}

TEST_CASE("a buffer tells all that it holds, also what the busy sink has been given of it") {
  const bool counts = GENERATE(true, false);
  Loop loop;
  Ring ring({kSlot, 16});
  const auto inner = std::make_shared<GatedSink>();
  inner->counts = counts;
  ElasticSink sink(inner, {.size = 8 * kSlot});
  sink.start(loop, ring, {});
  const std::size_t passed = counts ? 8 * kSlot : 0;
  const auto bytes = pattern(24 * kSlot);
  CHECK(write_all(sink, ring, std::span(bytes).first(passed + 5 * kSlot)) == passed + 5 * kSlot);
  sink.poll();
  CAPTURE(counts);
  CHECK(sink.buffer()->held == 5 * kSlot);
  CHECK(write_all(sink, ring, std::span(bytes).subspan(passed + 5 * kSlot)) ==
        bytes.size() - passed - 5 * kSlot);
  sink.poll();
  CHECK(sink.buffer()->held == 8 * kSlot);
  CHECK(sink.buffer()->size == 8 * kSlot);
  inner->open = true;
  for (int i = 0; i < 10; ++i) sink.poll();
  CHECK(sink.buffer()->held == 0);
  CHECK((inner->bytes == bytes));
}

TEST_CASE("small frames fill a buffer as large ones do, byte by byte") {
  const bool counts = GENERATE(true, false);
  constexpr std::size_t kFrame = 100;
  Loop loop;
  Ring ring({kSlot, 16});
  const auto inner = std::make_shared<GatedSink>();
  inner->counts = counts;
  ElasticSink sink(inner, {.size = 8 * kSlot});
  sink.start(loop, ring, {});
  const auto bytes = pattern(20 * kSlot);
  std::size_t done = 0;
  const auto write_until_it_stalls = [&] {
    while (done < bytes.size()) {
      const std::size_t count =
          write_all(sink, ring, std::span(bytes).subspan(done, std::min(kFrame, bytes.size() - done)));
      sink.poll();
      if (count == 0) break;
      done += count;
    }
  };
  write_until_it_stalls();
  CAPTURE(counts);
  CHECK(done >= (counts ? 8 : 7) * kSlot);  // given before it was known that it is busy: one slot
  CHECK(done <= 8 * kSlot + 16 * kFrame);
  CHECK(sink.buffer()->held == 8 * kSlot);
  inner->open = true;
  for (int i = 0; i < 10; ++i) sink.poll();
  write_until_it_stalls();
  for (int i = 0; i < 10; ++i) sink.poll();
  CHECK(done == bytes.size());
  CHECK((inner->bytes == bytes));
  CHECK(sink.buffer()->held == 0);
}

TEST_CASE("what is in a buffer does not wait there while the sink has little to do") {
  Loop loop;
  Ring ring({kSlot, 4});
  const auto inner = std::make_shared<GatedSink>();
  ElasticSink sink(inner, {.size = 8 * kSlot});
  sink.start(loop, ring, {});
  const auto bytes = pattern(300);
  for (std::size_t done = 0; done < bytes.size(); done += 100) {
    CHECK(write_all(sink, ring, std::span(bytes).subspan(done, 100)) == 100);
  }
  sink.poll();
  CHECK(inner->backlog() == 2);  // half the ring
  CHECK(sink.buffer()->held == 100);
  inner->open = true;
  sink.poll();
  CHECK((inner->bytes == bytes));
}

TEST_CASE("holes wait as holes, and what has begun behind them in order") {
  Loop loop;
  Ring ring({kSlot, 8});
  const auto inner = std::make_shared<GatedSink>();
  ElasticSink sink(inner, {.size = 20 * kSlot, .start_write = 100});
  sink.start(loop, ring, {});
  const auto bytes = pattern(kSlot + 10);
  CHECK(write_all(sink, ring, bytes) == bytes.size());
  sink.write_hole(*ring.acquire(), 15'000'000);
  sink.write_hole(*ring.acquire(), 15'000'000);
  CHECK(ring.free_slots() == 8);
  CHECK(sink.fill_percent() == 15);  // the two are one, of one slot
  sink.poll();
  CHECK(inner->backlog() == 0);
  CHECK(write_all(sink, ring, std::span(bytes).first(3)) == 3);
  sink.finish();
  sink.poll();
  CHECK(inner->backlog() == 4);
  inner->open = true;
  sink.poll();
  CHECK(inner->holes == 1);
  CHECK(inner->bytes.size() == bytes.size() + 30'000'003);
}

TEST_CASE("holes become one up to the length that a sink is given at most") {
  Loop loop;
  Ring ring({kSlot, 8});
  const auto inner = std::make_shared<GatedSink>();
  ElasticSink sink(inner, {.size = 20 * kSlot, .start_write = 100});
  sink.start(loop, ring, {});
  sink.write_hole(*ring.acquire(), kMaxHoleLength - 10);
  sink.write_hole(*ring.acquire(), 10);
  CHECK(sink.fill_percent() == 5);
  sink.write_hole(*ring.acquire(), kMaxHoleLength);
  sink.write_hole(*ring.acquire(), 1);
  CHECK(sink.fill_percent() == 15);
  sink.finish();
  inner->open = true;
  for (int i = 0; i < 3; ++i) sink.poll();
  CHECK(inner->holes == 3);
  CHECK(sink.committed());
}

TEST_CASE("a buffered stream is committed when the inner sink has all of it, and not before") {
  Loop loop;
  Ring ring({kSlot, 4});
  const auto inner = std::make_shared<GatedSink>();
  ElasticSink sink(inner, {.size = 1_MiB});
  sink.start(loop, ring, {});
  const auto bytes = pattern(40 * kSlot);
  CHECK(write_all(sink, ring, bytes) == bytes.size());
  sink.finish();
  sink.poll();
  CHECK(!inner->finished);
  CHECK(!sink.committed());
  CHECK(!sink.in_place_after_all());
  inner->open = true;
  for (int i = 0; i < 20 && !sink.committed(); ++i) sink.poll();
  CHECK(inner->finished);
  CHECK(sink.committed());
  CHECK((inner->bytes == bytes));
}

TEST_CASE("a buffer of two pages takes frames that are larger than it") {
  Loop loop;
  Ring ring({kSlot, 2});
  const auto inner = std::make_shared<GatedSink>();
  ElasticSink sink(inner, {.size = BufferOptions::kLeast});
  sink.start(loop, ring, {});
  const auto bytes = pattern(10 * kSlot + 1);
  std::size_t done = 0;
  for (int i = 0; i < 50; ++i) {
    done += write_all(sink, ring, std::span(bytes).subspan(done));
    inner->open = i % 3 == 0;
    sink.poll();
  }
  CHECK(done == bytes.size());
  sink.finish();
  inner->open = true;
  for (int i = 0; i < 20; ++i) sink.poll();
  CHECK((inner->bytes == bytes));
  CHECK(sink.committed());
}

TEST_CASE("a buffer that is dropped sends all slots home") {
  Loop loop;
  Ring ring({kSlot, 4});
  auto inner = std::make_shared<GatedSink>();
  {
    ElasticSink sink(std::move(inner), {.size = 10 * kSlot});
    sink.start(loop, ring, {});
    const auto bytes = pattern(30 * kSlot);
    std::size_t done = 0;
    for (int i = 0; i < 10; ++i) done += write_all(sink, ring, std::span(bytes).subspan(done));
    sink.poll();
    CHECK(ring.free_slots() == 0);
  }
  CHECK(ring.free_slots() == 4);
}

TEST_CASE("a buffer larger than any memory is refused, and the line says by which option") {
  Loop loop;
  Ring ring({kSlot, 4});
  ElasticSink sink(std::make_shared<GatedSink>(), {.size = std::size_t{1} << 50});
  try {
    sink.start(loop, ring, {});
    FAIL("it was not refused");
  } catch (const Error& error) {
    CHECK(error.status() == Status::kMemory);
    CHECK_THAT(error.what(), Catch::Contains("buffer of 1 PiB"));
    CHECK_THAT(error.hint(), Catch::Contains("-m"));
  }
}
