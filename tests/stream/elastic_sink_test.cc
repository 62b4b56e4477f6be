// The buffer before a sink: what passes it by, what waits in it, and what it is bounded by.
#include <algorithm>
#include <deque>
#include <memory>
#include <utility>

#include "catch.h"
#include "stream/elastic_sink.h"
#include "stream/memory_ends.h"
#include "stream/stream.h"

using namespace rdpipe;

namespace {

constexpr std::size_t kSlot = 16_KiB;

// Holds all it gets until it is open.
class GatedSink : public MemorySink {
 public:
  void write(Slot slot) override { held_.push_back({std::move(slot), 0}); }
  void write_hole(Slot slot, std::uint64_t length) override { held_.push_back({std::move(slot), length}); }
  void poll() override {
    while (open && most > 0 && !held_.empty()) {
      --most;
      auto [slot, hole] = std::move(held_.front());
      held_.pop_front();
      if (hole > 0) ++holes;
      hole > 0 ? MemorySink::write_hole(std::move(slot), hole) : MemorySink::write(std::move(slot));
    }
  }
  std::optional<std::size_t> backlog() const override {
    return counts ? std::optional(held_.size()) : std::nullopt;
  }
  std::size_t slots_of(const Ring& ring) const {
    std::size_t count = 0;
    for (const auto& [slot, hole] : held_) count += slot.is_of(ring) ? 1U : 0U;
    return count;
  }
  bool committed() const override { return finished && held_.empty(); }

  bool open = false;
  bool counts = true;           // its backlog
  std::size_t most = SIZE_MAX;  // that it takes while it is open
  std::size_t holes = 0;

 private:
  std::deque<std::pair<Slot, std::uint64_t>> held_;
};

// Writes `bytes` in full slots as long as the ring has any; returns how many went.
std::size_t write_all(Sink& sink, Ring& ring, std::span<const std::byte> bytes) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    auto slot = ring.acquire();
    if (!slot) break;
    const std::size_t count = std::min(kSlot, bytes.size() - done);
    std::copy_n(bytes.subspan(done).begin(), count, slot->payload().begin());
    slot->resize(count);
    sink.write(std::move(*slot));
    done += count;
  }
  return done;
}

}  // namespace

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
