// Chains of receivers over loopback links.
#include <atomic>
#include <functional>
#include <memory>

#include "catch.h"
#include "stream/chain.h"
#include "stream/memory_ends.h"

using namespace rdpipe;

namespace {

// Tells others' threads when it is finished, and looks then.
class OrderedSink : public MemorySink {
 public:
  void finish() override {
    if (look) seen = look();
    MemorySink::finish();
    is_finished = true;
  }
  std::function<bool()> look{};
  bool seen = false;
  std::atomic<bool> is_finished{false};
};

// Gives a byte at a time.
class ByteSource : public MemorySource {
 public:
  using MemorySource::MemorySource;
  void start(Loop& loop, Ring& ring, std::size_t) override { MemorySource::start(loop, ring, 1); }
};

// Tells how many bytes it has written, slowly.
class TellingSink : public SlowSink {
 public:
  std::uint64_t taken() const override { return bytes.size(); }
};

constexpr std::size_t kLateSize = 5 * 16_KiB;

// Writes slowly, and looks until it has written kLateSize bytes.
class LateWriter : public SlowSink {
 public:
  explicit LateWriter(std::function<bool()> look) : look_(std::move(look)) {}
  void poll() override {
    if (bytes.size() < kLateSize && look_()) seen = true;
    SlowSink::poll();
  }
  bool seen = false;

 private:
  std::function<bool()> look_;
};

}  // namespace

TEST_CASE("a chain gives every host the stream, and all know its root") {
  const std::size_t size = GENERATE(as<std::size_t>(), 0, 1, 20 * 16_KiB + 1, 1'000'000);
  const auto ways =
      GENERATE(ChainSetup{}, ChainSetup{.seals_next = true}, ChainSetup{.copies = true},
               ChainSetup{.digest = false}, ChainSetup{.middle_ring = {16_KiB, 2}},
               ChainSetup{.middle_ring = {4_KiB, 64}}, ChainSetup{.next_compression = CompressionUse::kZstd},
               ChainSetup{.seals_next = true, .next_compression = CompressionUse::kLz4});
  const bool only_passes_on = GENERATE(false, true);
  MemorySource source(pattern(size), size > 16_KiB ? 100'000 : 0);
  const auto own = std::make_shared<MemorySink>();
  MemorySink last;
  const auto [sent, passed_on, received] = chain(source, only_passes_on ? nullptr : own, last, ways);
  CAPTURE(size, sent.text(), passed_on.text(), received.text());
  REQUIRE(sent.result);
  REQUIRE(passed_on.result);
  REQUIRE(received.result);
  CHECK(sent.result->root == passed_on.result->root);
  CHECK(sent.result->root == received.result->root);
  CHECK(sent.result->root.has_value() == ways.digest);
  CHECK(last.finished);
  CHECK(own->finished != only_passes_on);
  CHECK((last.bytes == own->bytes || only_passes_on));
  CHECK(last.bytes.size() == sent.result->bytes);
  CHECK(sent.result->data_bytes == size);
}

TEST_CASE("the next receiver commits before this host does") {
  OrderedSink last;
  const auto own = std::make_shared<OrderedSink>();
  own->look = [&] { return last.is_finished.load(); };
  MemorySource source(pattern(100'000));
  const auto [sent, passed_on, received] = chain(source, own, last);
  REQUIRE(sent.result);
  CHECK(own->is_finished);
  CHECK(own->seen);
}

TEST_CASE("the next receiver is not told of the end before this host has written all") {
  OrderedSink last;
  const auto own = std::make_shared<LateWriter>([&] { return last.is_finished.load(); });
  MemorySource source(pattern(kLateSize));
  const auto [sent, passed_on, received] = chain(source, own, last);
  REQUIRE(sent.result);
  CHECK(!own->seen);
  CHECK(own->bytes == last.bytes);
}

TEST_CASE("the next receiver hears that this host writes on, be it byte by byte") {
  const auto own = std::make_shared<TellingSink>();
  MemorySink last;
  ByteSource source(pattern(20));
  ChainSetup setup;
  setup.middle_ring = {4_KiB, 16};
  setup.last_stall_limit = std::chrono::milliseconds(700);  // and 1.6 s are left when it has all
  const auto [sent, passed_on, received] = chain(source, own, last, setup);
  CAPTURE(sent.text(), passed_on.text(), received.text());
  CHECK(received.result);
  CHECK(own->bytes == last.bytes);
}

TEST_CASE("a last receiver that fails fails all, each of which hears why and where") {
  const auto own = std::make_shared<MemorySink>();
  MemorySink last(200'000);
  MemorySource source(pattern(1'000'000));
  const auto [sent, passed_on, received] = chain(source, own, last);
  CHECK(received.status() == Status::kFileIo);
  CHECK(passed_on.status() == Status::kFileIo);
  CHECK(sent.status() == Status::kFileIo);
  CHECK_THAT(sent.text(), Catch::StartsWith("store 'out' on ") && Catch::EndsWith("No space left on device"));
  CHECK(sent.text() == passed_on.text());
  CHECK(!own->finished);
  CHECK(!last.finished);
}

TEST_CASE("a host in the middle that fails tells both sides") {
  const auto own = std::make_shared<MemorySink>(200'000);
  MemorySink last;
  MemorySource source(pattern(1'000'000));
  const auto [sent, passed_on, received] = chain(source, own, last);
  CHECK(passed_on.status() == Status::kFileIo);
  CHECK_THAT(passed_on.text(), Catch::StartsWith("store 'out': "));
  CHECK_THAT(sent.text(), Catch::StartsWith("store 'out' on "));
  CHECK(sent.text() == received.text());
  CHECK(!own->finished);
  CHECK(!last.finished);
}

TEST_CASE("a source that fails is an end nowhere in the chain") {
  const auto own = std::make_shared<MemorySink>();
  MemorySink last;
  MemorySource source(pattern(1'000'000), 0, 300'000);
  const auto [sent, passed_on, received] = chain(source, own, last);
  CHECK(sent.status() == Status::kFileIo);
  CHECK_THAT(received.text(), Catch::StartsWith("read 'in' on "));
  CHECK(received.text() == passed_on.text());
  CHECK(!own->finished);
  CHECK(!last.finished);
}

TEST_CASE("a link that is lost anywhere in the chain, and a bit that flips there, fail all of it") {
  const auto action = GENERATE(FaultAction::kDrop, FaultAction::kClose, FaultAction::kCorruptPayload);
  const bool at_first = GENERATE(true, false);
  const FaultScript script{.from_first = {{action, data_frame(5), 20}}};
  ChainSetup setup;
  (at_first ? setup.first : setup.second) = script;
  const auto own = std::make_shared<MemorySink>();
  MemorySink last;
  MemorySource source(pattern(1'000'000));
  const auto [sent, passed_on, received] = chain(source, own, last, setup);
  CAPTURE(sent.text(), passed_on.text(), received.text());
  CHECK(sent.error);
  CHECK(passed_on.error);
  CHECK(received.error);
  CHECK(!own->finished);
  CHECK(!last.finished);
}
