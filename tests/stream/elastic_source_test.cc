// The buffer behind a source: what passes it by, what waits in it, and what it is bounded by.
#include <algorithm>
#include <memory>
#include <utility>
#include <variant>

#include "catch.h"
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
