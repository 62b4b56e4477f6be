// The two main loops, end to end over the loopback link: each fault is a script and repeats exactly.
#include <atomic>
#include <functional>
#include <numeric>
#include <thread>
#include <utility>

#include "catch.h"
#include "io/loop.h"
#include "session/control_stream.h"
#include "session/session.h"
#include "stream/memory_ends.h"
#include "stream/transfer.h"
#include "transport/loopback.h"

using namespace rdpipe;

namespace {

// Speaks for a sender of nothing that says offer and END in one breath, and waits for the end.
Outcome send_nothing_at_once(Loop& loop, std::unique_ptr<Link> link) {
  Handshake handshake = Handshake::connector();
  const Deadline limit = in_good_time();
  bool said_all = false;
  int heard = 0;
  while (!link->peer_closed() && !limit.passed()) {
    if (handshake.verdict() == Verdict::kNeedsPsk) handshake.set_psk(test_key().psk(handshake.salt()));
    const bool ready = handshake.verdict() == Verdict::kInProgress;
    while (const auto event = link->poll()) {
      const auto* control = std::get_if<Control>(&*event);
      if (control == nullptr) continue;
      handshake.receive(control->bytes);
      if (said_all && ++heard == 2) link->close();  // offer and COMMITTED
    }
    if (ready && handshake.verdict() == Verdict::kDone) {
      std::vector<std::byte> plain;
      Offer offer;
      offer.transcript = handshake.transcript();
      offer.fabric = static_cast<std::uint8_t>(Fabric::kLoopback);
      offer.role = Role::kSends;
      offer.slot_size = 16_KiB;
      offer.digest = Choice::kNo;
      encode(offer, plain);
      encode(End{}, plain);
      handshake.write(plain);
      said_all = true;
    }
    post_stream(*link, handshake.take_output());
    loop.wait(Deadline::in(std::chrono::milliseconds(10)));
  }
  return {};
}

}  // namespace

TEST_CASE("what was sent is what arrived, and both know its digest") {
  const std::size_t size = GENERATE(as<std::size_t>(), 0, 1, 4095, 4096, 4097, 16384, 1048577, 5000000);
  const bool sealed = GENERATE(false, true);
  MemorySource source(pattern(size));
  MemorySink sink;
  const auto [sent, received] = transfer(source, sink, {.sealed = sealed});
  CAPTURE(size, sealed, sent.text(), received.text());
  REQUIRE(sent.result);
  REQUIRE(received.result);
  CHECK(sink.bytes == pattern(size));
  CHECK(sink.finished);
  CHECK(sent.result->bytes == size);
  CHECK(received.result->bytes == size);
  CHECK(sent.result->root == received.result->root);
  CHECK(received.result->warning.empty());
}

TEST_CASE("a hole arrives as zeros, with the digest of zeros") {
  MemorySource source(pattern(40000), 3000000);
  MemorySink sink;
  const auto [sent, received] = transfer(source, sink, {});
  REQUIRE(received.result);
  auto expected = pattern(40000);
  expected.insert(expected.begin() + 16384, 3000000, std::byte{0});
  CHECK(sink.bytes == expected);
  StreamDigest digest;
  digest.add(expected);
  CHECK(received.result->root == digest.root());
}

TEST_CASE("a hole longer than a frame may tell of travels in several") {
  MemorySource source(pattern(16_KiB), kMaxHoleLength + 1);
  MemorySink sink;
  const auto [sent, received] = transfer(source, sink, {});
  REQUIRE(received.result);
  CHECK(sink.bytes.size() == 16_KiB + kMaxHoleLength + 1);
  CHECK(sent.result->frames == 3);
  CHECK(sent.result->root == received.result->root);
}

TEST_CASE("an end that comes in one piece with the offer is heard") {
  MemorySink sink;
  const auto [sent, received] = transfer(send_nothing_at_once, sink, {});
  CAPTURE(received.text());
  REQUIRE(received.result);
  CHECK(sink.finished);
}

TEST_CASE("a failure that comes too late to keep the stream from its place is none") {
  MemorySource source(pattern(100000));
  LateSink sink;
  Setup setup;
  setup.options.stall_limit = std::chrono::milliseconds(300);
  const auto [sent, received] = transfer(source, sink, setup);
  CAPTURE(received.text());
  REQUIRE(received.result);
  CHECK(sink.bytes == pattern(100000));
  CHECK_THAT(received.result->warning, Catch::Contains("after everything was in place"));
}

TEST_CASE("a sender that gives up behind the end says that the outcome is unknown, and the receiver why") {
  class : public MemorySink {
    bool committed() const override { return false; }
  } sink;
  MemorySource source(pattern(100000));
  Setup impatient;
  impatient.options.stall_limit = std::chrono::milliseconds(300);
  const auto send = [&](Loop& loop, std::unique_ptr<Link> link) {
    return send_end(loop, impatient, std::move(link), source);
  };
  const auto [sent, received] = transfer(send, sink, {});
  CHECK(sent.status() == Status::kTimeout);
  CHECK_THAT(sent.text(),
             Catch::Contains("before the other end confirmed: whether it has the data is unknown"));
  CHECK(received.status() == Status::kTimeout);
  CHECK_THAT(received.text(), !Catch::Contains("unknown"));
}

TEST_CASE("a reader that is slow with what has arrived has not stalled") {
  MemorySource source(pattern(8 * 16_KiB));
  SlowSink sink;
  Setup setup;
  setup.options.stall_limit = std::chrono::milliseconds(400);
  const auto send = [&](Loop& loop, std::unique_ptr<Link> link) {
    return send_end(loop, {}, std::move(link), source);
  };
  const auto [sent, received] = transfer(send, sink, setup);
  CAPTURE(received.text());
  REQUIRE(received.result);
  CHECK(sink.bytes == pattern(8 * 16_KiB));
}

TEST_CASE("a sender that gets on with a long job has not stalled, and one that does not has") {
  const bool gets_on = GENERATE(true, false);
  MemorySink sink;
  Setup setup;
  setup.options.stall_limit = std::chrono::seconds(1);
  const auto send = [&](Loop& loop, std::unique_ptr<Link> link) {
    BusySource source(pattern(10000), gets_on);
    return send_end(loop, setup, std::move(link), source);
  };
  const auto [sent, received] = transfer(send, sink, setup);
  CAPTURE(gets_on, sent.text(), received.text());
  CHECK(sent.status() == (gets_on ? Status::kOk : Status::kTimeout));
  CHECK(received.status() == (gets_on ? Status::kOk : Status::kTimeout));
  // The job before the first byte is no part of the transfer's time.
  if (gets_on) CHECK(sent.result->elapsed < std::chrono::seconds(1));
}

TEST_CASE("a receiver that gets on with a long job after the last byte has not stalled") {
  MemorySource source(pattern(10000));
  BusySink sink;
  Setup setup;
  setup.options.stall_limit = std::chrono::seconds(1);
  const auto [sent, received] = transfer(source, sink, setup);
  CAPTURE(sent.text(), received.text());
  REQUIRE(sent.result);
  CHECK(received.result);
  CHECK(sent.result->elapsed > std::chrono::seconds(1));
}

TEST_CASE("rings of different shapes, down to two slots, agree on the smaller slot") {
  MemorySource source(pattern(300000), 5);
  MemorySink sink;
  const auto [sent, received] =
      transfer(source, sink, {.sender_ring = {64_KiB, 2}, .receiver_ring = {4_KiB, 2}});
  CAPTURE(sent.text(), received.text());
  REQUIRE(received.result);
  CHECK(sink.bytes.size() == 300005);
}

TEST_CASE("a connection lost in mid stream fails both ends and commits nothing") {
  const LossSeen seen = LossSeen::kByBoth;
  MemorySource source(pattern(1000000));
  MemorySink sink;
  const auto [sent, received] =
      transfer(source, sink, {.faults = {.from_first = {{FaultAction::kDrop, data_frame(7), 0, seen}}}});
  CHECK(sent.status() == Status::kNetwork);
  CHECK(received.status() == Status::kDamaged);
  CHECK_THAT(received.text(), Catch::Contains("incomplete"));
  CHECK(!sink.finished);
}

TEST_CASE("an end of the connection is no end of the stream") {
  MemorySource source(pattern(1000000));
  MemorySink sink;
  const auto [sent, received] =
      transfer(source, sink, {.faults = {.from_first = {{FaultAction::kClose, data_frame(7)}}}});
  CHECK(received.status() == Status::kDamaged);
  CHECK_THAT(received.text(), Catch::Contains("incomplete"));
  CHECK(!sink.finished);
}

TEST_CASE("a flipped bit is found at both ends, sealed or not") {
  const bool sealed = GENERATE(false, true);
  const FaultAction action = GENERATE(FaultAction::kCorruptPayload, FaultAction::kCorruptHeader);
  MemorySource source(pattern(1000000));
  MemorySink sink;
  const auto [sent, received] =
      transfer(source, sink, {.faults = {.from_first = {{action, data_frame(5), 20}}}, .sealed = sealed});
  CAPTURE(sealed, sent.text(), received.text());
  CHECK(received.status() == Status::kDamaged);
  CHECK(sent.status() == Status::kDamaged);
  CHECK(sent.error->from_peer());
  CHECK(!sink.finished);
}

TEST_CASE("a frame leaves before the next is read, and slots are granted before all that came is taken") {
  std::atomic<std::size_t> given{0}, taken{0};
  std::atomic<bool> left_at_once{true}, granted_at_once{true};
  const auto come = [](const std::atomic<std::size_t>& count, std::size_t wanted) {
    const auto limit = Deadline::in(std::chrono::seconds(5));
    while (count < wanted && !limit.passed()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return count >= wanted;
  };
  WatchedSource source(pattern(10 * 16_KiB), [&](bool filled) {
    if (filled) {
      ++given;
    } else if (given == 1 && !come(taken, 1)) {
      left_at_once = false;
    }
  });
  // The receiver's eight slots are granted at first: the ninth frame needs more.
  WatchedSink sink([&] {
    if (++taken == 1) static_cast<void>(come(given, 7));  // one of the sender's eight is for holes
    if (taken == 5 && !come(given, 9)) granted_at_once = false;
  });
  const auto [sent, received] = transfer(source, sink, {});
  CHECK(left_at_once);
  CHECK(granted_at_once);
  REQUIRE(received.result);
  CHECK(sink.bytes == pattern(10 * 16_KiB));
}

TEST_CASE("without a digest a stream still ends by count") {
  MemorySource source(pattern(1000000));
  MemorySink sink;
  const auto [sent, received] = transfer(source, sink, {.digest = false});
  REQUIRE(received.result);
  CHECK(!received.result->root);
  CHECK(sink.bytes == pattern(1000000));
}

TEST_CASE("a sink that fails tells the sender why and where") {
  MemorySource source(pattern(1000000));
  MemorySink sink(200000);
  const auto [sent, received] = transfer(source, sink, {});
  CHECK(received.status() == Status::kFileIo);
  CHECK(sent.status() == Status::kFileIo);
  CHECK(sent.error->from_peer());
  CHECK_THAT(sent.text(), Catch::StartsWith("store 'out' on "));
  CHECK_THAT(sent.text(), Catch::EndsWith("No space left on device"));
}

TEST_CASE("a source that fails is no end: the receiver commits nothing") {
  MemorySource source(pattern(1000000), 0, 300000);
  MemorySink sink;
  const auto [sent, received] = transfer(source, sink, {});
  CHECK(sent.status() == Status::kFileIo);
  CHECK(received.status() == Status::kFileIo);
  CHECK_THAT(received.text(), Catch::StartsWith("read 'in' on "));
  CHECK(!sink.finished);
}

TEST_CASE("a stream that stalls longer than was allowed ends with a line of its own") {
  MemorySource source(pattern(1000000));
  MemorySink sink;
  Setup setup;
  setup.faults.from_first = {{FaultAction::kHold, data_frame(4)}};
  setup.options.stall_limit = std::chrono::milliseconds(300);
  const auto [sent, received] = transfer(source, sink, setup);
  CHECK((sent.status() == Status::kTimeout || sent.error->from_peer()));
  CHECK(received.status() == Status::kTimeout);
  CHECK(!sink.finished);
}

TEST_CASE("a conventional digest is the same at both ends") {
  MemorySource source(pattern(100000), 50000);
  MemorySink sink;
  Setup setup;
  setup.options.hash = "sha256";
  const auto [sent, received] = transfer(source, sink, setup);
  REQUIRE(received.result);
  NamedDigest expected("sha256");
  expected.add(sink.bytes);
  CHECK(received.result->hash == expected.finish());
  CHECK(sent.result->hash == received.result->hash);
}
