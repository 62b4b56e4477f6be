// The marks of the buffer before a sink: the fill from which on it gives, and takes again.
#include <memory>

#include "catch.h"
#include "stream/elastic_ends.h"
#include "stream/elastic_sink.h"

using namespace rdpipe;

TEST_CASE("a sink's buffer fills to its mark before the consumer starts, and again when it has run empty") {
  Loop loop;
  Ring ring({kSlot, 4});
  const auto inner = std::make_shared<GatedSink>();
  inner->open = true;
  ElasticSink sink(inner, {.size = 20 * kSlot, .start_write = 50});
  sink.start(loop, ring, {});
  auto bytes = pattern(30 * kSlot);
  for (const std::size_t done : {std::size_t{0}, 10 * kSlot}) {
    CHECK(write_all(sink, ring, std::span(bytes).subspan(done, 9 * kSlot)) == 9 * kSlot);
    sink.poll();
    CHECK(inner->bytes.size() == done);
    CHECK(write_all(sink, ring, std::span(bytes).subspan(done + 9 * kSlot, kSlot)) == kSlot);
    for (int i = 0; i < 20; ++i) sink.poll();
    CHECK(inner->bytes.size() == done + 10 * kSlot);
  }
  CHECK(write_all(sink, ring, std::span(bytes).subspan(20 * kSlot, 1)) == 1);
  sink.finish();
  for (int i = 0; i < 20; ++i) sink.poll();
  CHECK(sink.committed());  // an end counts whatever the mark
}

TEST_CASE("a sink's buffer fills to its mark in bytes, not in slots that have been begun") {
  const int mark = GENERATE(50, 100);
  Loop loop;
  Ring ring({kSlot, 4});
  const auto inner = std::make_shared<GatedSink>();
  inner->open = true;
  ElasticSink sink(inner, {.size = 4 * kSlot, .start_write = mark});
  sink.start(loop, ring, {});
  const std::size_t due = 4 * kSlot * static_cast<std::size_t>(mark) / 100;
  const auto bytes = pattern(due);
  for (std::size_t done = 0; done < due - 1; done += kSlot) {
    const std::size_t count = std::min(kSlot, due - 1 - done);
    CHECK(write_all(sink, ring, std::span(bytes).subspan(done, count)) == count);
    sink.poll();
  }
  CAPTURE(mark);
  CHECK(inner->bytes.empty());
  CHECK(sink.buffer()->held == due - 1);
  CHECK(write_all(sink, ring, std::span(bytes).last(1)) == 1);
  for (int i = 0; i < 5; ++i) sink.poll();
  CHECK((inner->bytes == bytes));
}

TEST_CASE("a buffer with no slot for a hole is full, whatever room its last one has") {
  Loop loop;
  Ring ring({kSlot, 4});
  const auto inner = std::make_shared<GatedSink>();
  inner->open = true;
  ElasticSink sink(inner, {.size = 4 * kSlot, .start_write = 100});
  sink.start(loop, ring, {});
  const auto bytes = pattern(3 * kSlot + 1);
  CHECK(write_all(sink, ring, bytes) == bytes.size());
  sink.poll();
  CHECK(inner->bytes.empty());
  sink.write_hole(*ring.acquire(), 1000);
  for (int i = 0; i < 5; ++i) sink.poll();
  CHECK(inner->bytes.size() >= bytes.size());
  sink.finish();
  for (int i = 0; i < 5; ++i) sink.poll();
  CHECK(sink.committed());
  CHECK(inner->bytes.size() == bytes.size() + 1000);
}

TEST_CASE("a sink's full buffer takes nothing until it is below its mark") {
  Loop loop;
  Ring ring({kSlot, 4});
  const auto inner = std::make_shared<GatedSink>();
  ElasticSink sink(inner, {.size = 20 * kSlot, .start_read = 30});
  sink.start(loop, ring, {});
  const auto bytes = pattern(24 * kSlot);
  std::size_t done = 0;
  for (int i = 0; i < 10; ++i) done += write_all(sink, ring, std::span(bytes).subspan(done));
  CHECK(ring.free_slots() == 0);
  inner->open = true;
  sink.poll();  // of 20 slots a few have left
  CHECK(ring.free_slots() < 4);
  for (int i = 0; i < 20; ++i) {
    sink.poll();
    done += write_all(sink, ring, std::span(bytes).subspan(done));
  }
  CHECK(done == bytes.size());
  CHECK((inner->bytes == bytes));
}

TEST_CASE("what the sink was given of a full buffer and has not written is in it still, for its mark, too") {
  Loop loop;
  Ring ring({kSlot, 16});
  const auto inner = std::make_shared<GatedSink>();
  ElasticSink sink(inner, {.size = 8 * kSlot, .start_read = 50});
  sink.start(loop, ring, {});
  const auto bytes = pattern(17 * kSlot);
  CHECK(write_all(sink, ring, bytes) == bytes.size());  // 8 pass it by, and one finds no room
  sink.poll();
  CHECK(ring.free_slots() == 7);
  inner->open = true;
  inner->most = 8 + 4;
  sink.poll();
  CHECK(sink.buffer()->held == 4 * kSlot);
  CHECK(ring.free_slots() == 15);
  inner->most = 1;
  sink.poll();
  CHECK(ring.free_slots() == 16);
  CHECK(sink.buffer()->held == 4 * kSlot);
  inner->most = 5;
  for (int i = 0; i < 3; ++i) sink.poll();
  CHECK((inner->bytes == bytes));
}

// That it is full shows while it is written to, and not any more when something may be taken.
TEST_CASE("a sink's buffer that was full beside what the sink holds is filled, whatever its marks") {
  Loop loop;
  Ring ring({kSlot, 32});
  const auto inner = std::make_shared<GatedSink>();
  ElasticSink sink(inner, {.size = 20 * kSlot, .start_write = 95, .start_read = 1});
  sink.start(loop, ring, {});
  const auto bytes = pattern(22 * kSlot);
  CHECK(write_all(sink, ring, std::span(bytes).first(19 * kSlot)) == 19 * kSlot);
  sink.poll();
  CHECK(inner->backlog() == 19);
  CHECK(write_all(sink, ring, std::span(bytes).subspan(19 * kSlot)) == 3 * kSlot);
  inner->open = true;
  for (int i = 0; i < 5; ++i) sink.poll();
  CHECK(inner->bytes.size() >= 20 * kSlot);
  CHECK(ring.free_slots() == 32);
}
