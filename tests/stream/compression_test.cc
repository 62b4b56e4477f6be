// Streams whose frames are compressed, end to end over the loopback link.
#include <random>

#include "catch.h"
#include "seal/compressor.h"
#include "stream/memory_ends.h"
#include "stream/transfer.h"

using namespace rdpipe;

namespace {

std::vector<std::byte> text(std::size_t size) {
  std::vector<std::byte> bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>('a' + (i * i / 1000) % 13);
  return bytes;
}

std::vector<std::byte> noise(std::size_t size) {
  std::mt19937 random(1);
  std::vector<std::byte> bytes(size);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  return bytes;
}

Setup compressing(CompressionUse use = CompressionUse::kZstd) {
  Setup setup;
  setup.options.compression.use = use;
  return setup;
}

// Posts one frame that `make` has made; `flags` are what it offers.
SendingEnd one_frame(std::uint8_t flags, const std::function<void(Slot&)>& make) {
  return [=](Loop& loop, std::unique_ptr<Link> link) {
    Outcome outcome;
    Ring ring({16_KiB, 8});
    const auto session = authenticate(loop, std::move(link), test_key(), in_good_time());
    session->link().attach(ring);
    Offer offer;
    offer.role = Role::kSends;
    offer.slot_size = 16_KiB;
    offer.seal = Choice::kNo;
    offer.compressions = flags;
    try {
      static_cast<void>(session->exchange(loop, offer, in_good_time()));
      bool posted = false;
      for (const Deadline limit = in_good_time(); !limit.passed();) {
        while (const auto event = session->link().poll()) {
          if (const auto* control = std::get_if<Control>(&*event)) session->receive(*control);
          if (std::holds_alternative<PeerClosed>(*event)) return outcome;
        }
        static_cast<void>(session->next());
        if (!posted && session->link().send_credits() > 0) {
          Slot slot = ring.acquire().value();
          make(slot);
          session->link().post_send(std::move(slot));
          posted = true;
        }
        loop.wait(Deadline::in(std::chrono::milliseconds(10)));
      }
    } catch (const Error& error) {
      outcome.error = error;
      session->fail(loop, error, std::chrono::seconds(2));
    }
    return outcome;
  };
}

void make_compressed(Slot& slot) {
  std::ranges::copy(text(16_KiB), slot.payload().begin());
  slot.resize(16_KiB);
  encode(FrameHeader{.kind = FrameKind::kData, .flags = kFlagZstd, .length = 16_KiB, .raw_length = 16_KiB},
         slot.header());
  Compressor(3, false).compress(slot);
}

// Of more than was agreed, made in a slot of its own.
void make_too_long(Slot& slot) {
  Ring ring({32_KiB, 2});
  Slot large = ring.acquire().value();
  std::ranges::copy(text(32_KiB), large.payload().begin());
  large.resize(32_KiB);
  encode(FrameHeader{.kind = FrameKind::kData, .flags = kFlagZstd, .length = 32_KiB, .raw_length = 32_KiB},
         large.header());
  Compressor(3, false).compress(large);
  std::ranges::copy(large.filled(), slot.payload().begin());
  slot.resize(large.size());
  std::ranges::copy(large.header(), slot.header().begin());
}

}  // namespace

TEST_CASE("a compressed stream is what was sent, and so are its digests; fewer bytes cross the line") {
  const auto use = GENERATE(CompressionUse::kZstd, CompressionUse::kLz4, CompressionUse::kAuto);
  const std::size_t size = GENERATE(as<std::size_t>(), 0, 1, 4097, 16384, 1'000'000);
  const bool sealed = GENERATE(false, true);
  MemorySource source(text(size));
  MemorySink sink;
  Setup setup = compressing(use);
  setup.sealed = sealed;
  setup.options.hash = "sha256";
  const auto [sent, received] = transfer(source, sink, setup);
  CAPTURE(static_cast<int>(use), size, sealed, sent.text(), received.text());
  REQUIRE(sent.result);
  REQUIRE(received.result);
  CHECK(sink.bytes == text(size));
  StreamDigest root;
  root.add(text(size));
  CHECK(sent.result->root == root.root());
  CHECK(received.result->root == root.root());
  NamedDigest sha("sha256");
  sha.add(text(size));
  const std::string expected = sha.finish();
  CHECK(sent.result->hash == expected);
  CHECK(received.result->hash == expected);
  CHECK(sent.result->data_bytes == size);
  CHECK(sent.result->wire_bytes == received.result->wire_bytes);
  if (size >= 4097) CHECK(sent.result->wire_bytes < size / 2);
}

TEST_CASE("what does not shrink travels as it is") {
  const auto use = GENERATE(CompressionUse::kZstd, CompressionUse::kLz4, CompressionUse::kAuto);
  MemorySource source(noise(1'000'000));
  MemorySink sink;
  const auto [sent, received] = transfer(source, sink, compressing(use));
  REQUIRE(received.result);
  CHECK(sink.bytes == noise(1'000'000));
  CHECK(received.result->wire_bytes == 1'000'000);
}

TEST_CASE("holes, rings of two slots and frames that carry digests go with compression") {
  const auto content = GENERATE(Content::kStream, Content::kTree);
  const bool sealed = GENERATE(false, true);
  MemorySource source(text(300'000), 3'000'000);
  MemorySink sink;
  Setup setup = compressing();
  setup.content = content;
  setup.sealed = sealed;
  setup.sender_ring = {64_KiB, 2};
  setup.receiver_ring = {4_KiB, 2};
  const auto [sent, received] = transfer(source, sink, setup);
  CAPTURE(sealed, sent.text(), received.text());
  REQUIRE(received.result);
  auto expected = text(300'000);
  expected.insert(expected.begin() + 4_KiB, 3'000'000, std::byte{0});
  CHECK(sink.bytes == expected);
  CHECK(received.result->bytes == 3'300'000);
  CHECK(received.result->data_bytes == 300'000);
  CHECK(received.result->wire_bytes < 150'000);
}

TEST_CASE("a receiver that knows of no compression gets plain data") {
  MemorySource source(text(100'000));
  MemorySink sink;
  Setup setup = compressing(CompressionUse::kAuto);
  setup.known = GENERATE(std::uint8_t{0}, kFlagLz4);
  const auto [sent, received] = transfer(source, sink, setup);
  CAPTURE(sent.text(), received.text());
  REQUIRE(received.result);
  CHECK(sink.bytes == text(100'000));
  CHECK((received.result->wire_bytes == 100'000) == (setup.known == 0));
}

TEST_CASE("a flipped bit of a compressed frame is found at both ends") {
  const bool sealed = GENERATE(false, true);
  const auto content = GENERATE(Content::kStream, Content::kTree);
  const FaultAction action = GENERATE(FaultAction::kCorruptPayload, FaultAction::kCorruptHeader);
  const std::size_t byte = GENERATE(as<std::size_t>(), 1, 20, 34, 600);  // flags, offset, raw length, length
  MemorySource source(text(1'000'000));
  MemorySink sink;
  Setup setup = compressing(CompressionUse::kLz4);
  setup.sealed = sealed;
  setup.content = content;
  setup.faults.from_first = {{action, data_frame(5), byte}};
  const auto [sent, received] = transfer(source, sink, setup);
  CAPTURE(sealed, byte, sent.text(), received.text());
  CHECK(received.status() == Status::kDamaged);
  CHECK(sent.status() == Status::kDamaged);
  CHECK(!sink.finished);
}

TEST_CASE("a compressed frame is refused where none was agreed on, and where it does not hold what it says") {
  struct Hostile {
    std::uint8_t offered;
    std::function<void(Slot&)> make;
    const char* cause;
  };
  const auto promise = [](std::uint32_t length) {
    return [=](Slot& slot) {
      make_compressed(slot);
      auto header = decode_frame(slot.header()).value();
      header.raw_length = length;
      header.length = length;
      encode(header, slot.header());
    };
  };
  const auto hostile = GENERATE_COPY(
      Hostile{0, make_compressed, "malformed"}, Hostile{kFlagLz4, make_compressed, "malformed"},
      Hostile{kFlagZstd, promise(16_KiB - 1), "compressed frame is damaged"},
      Hostile{kFlagZstd, promise(16_KiB + 1), "malformed"}, Hostile{kFlagZstd, promise(~0U), "malformed"},
      Hostile{kFlagZstd, promise(0), "compressed frame is damaged"},
      Hostile{kFlagZstd, make_too_long, "malformed"});
  MemorySink sink;
  Setup setup;
  setup.digest = false;
  setup.receiver_ring = {64_KiB, 4};  // the sender's frames are smaller, and so all frames
  const auto [sent, received] = transfer(one_frame(hostile.offered, hostile.make), sink, setup);
  CHECK(received.status() == Status::kDamaged);
  CHECK_THAT(received.text(), Catch::Contains(hostile.cause));
  CHECK(sink.bytes.empty());
}

TEST_CASE("a sender whose frames take long to compress has not stalled") {
  MemorySource source(text(4'000'000));
  MemorySink sink;
  Setup setup = compressing();
  setup.options.compression.zstd_level = kMostZstdLevel;
  setup.options.stall_limit = std::chrono::seconds(5);
  setup.sender_ring = setup.receiver_ring = {1_MiB, 4};
  const auto [sent, received] = transfer(source, sink, setup);
  CAPTURE(sent.text(), received.text());
  REQUIRE(received.result);
  CHECK(sink.bytes == text(4'000'000));
}
