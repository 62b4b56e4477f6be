// The buffer beyond the ring, before a sink and behind a source: what passes through it, what waits in it,
// and what it is bounded by.
#include <deque>
#include <memory>
#include <utility>
#include <variant>

#include "catch.h"
#include "stream/elastic_sink.h"
#include "stream/elastic_source.h"
#include "stream/memory_ends.h"

using namespace rdpipe;

namespace {

constexpr std::size_t kSlot = 16_KiB;

struct Taken {
  std::vector<std::byte> bytes;
  std::uint64_t hole_bytes = 0;
  std::size_t events = 0;
  bool ended = false;
};

// Takes what can be had while `ring` has room, at most `limit` events; what was taken is sent at once.
Taken take(Source& source, std::size_t limit = SIZE_MAX) {
  Taken taken;
  while (taken.events < limit) {
    auto event = source.poll(true);
    if (!event) break;
    ++taken.events;
    if (auto* filled = std::get_if<Filled>(&*event)) {
      const auto bytes = filled->slot.filled();
      taken.bytes.insert(taken.bytes.end(), bytes.begin(), bytes.end());
    } else if (auto* hole = std::get_if<Hole>(&*event)) {
      taken.hole_bytes += hole->length;
      taken.bytes.resize(taken.bytes.size() + hole->length);
    } else {
      taken.ended = true;
      break;
    }
  }
  return taken;
}

// Counts what it has given.
class CountedSource : public MemorySource {
 public:
  using MemorySource::MemorySource;
  std::optional<SourceEvent> poll(bool urgent) override {
    auto event = MemorySource::poll(urgent);
    if (event) ++given;
    return event;
  }
  std::size_t given = 0;
};

// Holds all it gets until it is open.
class GatedSink : public MemorySink {
 public:
  void write(Slot slot) override { held_.push_back({std::move(slot), 0}); }
  void write_hole(Slot slot, std::uint64_t length) override { held_.push_back({std::move(slot), length}); }
  void poll() override {
    while (open && !held_.empty()) {
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
  bool counts = true;  // its backlog
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

std::vector<std::byte> after(const std::vector<std::byte>& bytes, std::size_t count) {
  return {bytes.begin() + static_cast<std::ptrdiff_t>(count), bytes.end()};
}

}  // namespace

TEST_CASE("a source behind an empty buffer fills slots of the ring") {
  Loop loop;
  Ring ring({kSlot, 4});
  ElasticSource source(std::make_shared<MemorySource>(pattern(10 * kSlot)), {.size = 1_MiB});
  source.start(loop, ring, kSlot);
  for (int i = 0; i < 10; ++i) {
    const auto event = source.poll(true);
    REQUIRE(event);
    CHECK(std::get<Filled>(*event).slot.is_of(ring));
    CHECK(source.fill_percent() == 0);
  }
  CHECK(std::holds_alternative<SourceEnd>(*source.poll(true)));
}

TEST_CASE("while the line is busy a source is read on, up to the buffer's size and no further") {
  Loop loop;
  Ring ring({kSlot, 4});
  const auto inner = std::make_shared<CountedSource>(pattern(100 * kSlot + 7), 1'000'000);
  ElasticSource source(inner, {.size = 20 * kSlot});
  source.start(loop, ring, kSlot);
  std::vector<Slot> busy;
  while (auto slot = ring.acquire()) busy.push_back(std::move(*slot));
  for (int i = 0; i < 50; ++i) source.read_ahead();
  CHECK(inner->given == 20 + 1);  // and the hole
  CHECK(source.fill_percent() == 100);
  CHECK(!source.poll(true));  // no slot to send it in
  busy.clear();
  const Taken all = take(source);
  auto expected = pattern(100 * kSlot + 7);
  expected.insert(expected.begin() + kSlot, 1'000'000, std::byte{0});
  CHECK(all.ended);
  CHECK(all.hole_bytes == 1'000'000);
  CHECK((all.bytes == expected));
}

TEST_CASE("a buffer that was emptied is passed by again") {
  Loop loop;
  Ring ring({kSlot, 4});
  ElasticSource source(std::make_shared<MemorySource>(pattern(40 * kSlot)), {.size = 8 * kSlot});
  source.start(loop, ring, kSlot);
  std::vector<Slot> busy;
  while (auto slot = ring.acquire()) busy.push_back(std::move(*slot));
  source.read_ahead();
  CHECK(source.fill_percent() == 100);
  busy.clear();
  // It is filled as fast as it is emptied: what empties it is a line that takes two for one.
  const Taken all = take(source);
  CHECK(all.ended);
  CHECK((all.bytes == pattern(40 * kSlot)));
  CHECK(source.fill_percent() == 0);
  CHECK(ring.free_slots() == 4);
}

TEST_CASE("a ring of two slots, one of which another holds, is enough behind a buffer") {
  Loop loop;
  Ring ring({kSlot, 2});
  const auto spare = ring.acquire();
  const std::size_t size = GENERATE(as<std::size_t>(), 8_KiB, 12_KiB, 64_KiB, 1_MiB);
  ElasticSource source(std::make_shared<MemorySource>(pattern(300'001), 5000), {.size = size});
  source.start(loop, ring, kSlot);
  for (int round = 0; round < 3; ++round) source.read_ahead();
  const Taken all = take(source);
  CAPTURE(size);
  CHECK(all.ended);
  CHECK(all.bytes.size() == 305'001);
}

TEST_CASE("nothing leaves a source's buffer before it is filled so far, or at the end") {
  Loop loop;
  Ring ring({kSlot, 4});
  const std::size_t pieces = GENERATE(as<std::size_t>(), 2, 40);
  ElasticSource source(std::make_shared<MemorySource>(pattern(pieces * kSlot)),
                       {.size = 20 * kSlot, .start_write = 50});
  source.start(loop, ring, kSlot);
  std::size_t polls = 0;
  std::optional<SourceEvent> first;
  while (!first && ++polls < 100) first = source.poll(true);
  REQUIRE(first);
  CHECK(source.fill_percent() >= (pieces == 40 ? 45 : 0));
  const Taken rest = take(source);
  CHECK(rest.ended);
  CHECK((rest.bytes == after(pattern(pieces * kSlot), kSlot)));
}

TEST_CASE("a full buffer is emptied below its mark before the source is read on") {
  Loop loop;
  Ring ring({kSlot, 4});
  const auto inner = std::make_shared<CountedSource>(pattern(100 * kSlot));
  ElasticSource source(inner, {.size = 20 * kSlot, .start_read = 50});
  source.start(loop, ring, kSlot);
  std::vector<Slot> busy;
  while (auto slot = ring.acquire()) busy.push_back(std::move(*slot));
  for (int i = 0; i < 50; ++i) source.read_ahead();
  busy.clear();
  CHECK(inner->given == 20);
  const Taken some = take(source, 10);
  source.read_ahead();
  CHECK(inner->given == 20);
  CHECK(source.fill_percent() == 50);
  const Taken more = take(source, 1);
  source.read_ahead();
  CHECK(inner->given > 20);
  const Taken rest = take(source);
  CHECK(some.bytes.size() + more.bytes.size() + rest.bytes.size() == 100 * kSlot);
  CHECK(rest.ended);
}

TEST_CASE("a source that fails fails at once, whatever is buffered") {
  Loop loop;
  Ring ring({kSlot, 4});
  ElasticSource source(std::make_shared<MemorySource>(pattern(100 * kSlot), 0, 10 * kSlot), {.size = 1_MiB});
  source.start(loop, ring, kSlot);
  CHECK_THROWS_WITH(source.read_ahead(), Catch::Contains("Input/output error"));
}

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
