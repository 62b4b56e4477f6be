#include "seal/lane.h"

#include "catch.h"
#include "ground/error.h"
#include "seal/sealer.h"
#include "wire/frame.h"

using namespace rdpipe;

namespace {

Deadline soon() { return Deadline::in(std::chrono::seconds(20)); }

Slot make_frame(Ring& ring, std::uint64_t sequence, std::size_t size) {
  Slot slot = ring.acquire().value();
  slot.resize(size);
  std::ranges::fill(slot.filled(), static_cast<std::byte>(sequence));
  encode(FrameHeader{.kind = FrameKind::kData, .sequence = sequence, .length = size}, slot.header());
  return slot;
}

struct Lanes {
  Loop loop;
  Sealer sealer{Secret(std::string(kSealKeySize, 'k'))};
  [[nodiscard]] Lane seals() {
    return {loop, [this](Slot& slot, std::uint64_t) { sealer.seal(slot); }};
  }
  [[nodiscard]] Lane opens() {
    return {loop, [this](Slot& slot, std::uint64_t number) {
              if (!sealer.open(slot, number)) throw Error(Status::kDamaged, "open", "it was altered");
            }};
  }
};

}  // namespace

TEST_CASE("slots come out of a lane in the order they went in") {
  Ring ring({64_KiB, 16});
  Lanes lanes;
  Lane seals = lanes.seals(), opens = lanes.opens();
  // Sizes that differ, so that later ones are ready first.
  for (std::uint64_t i = 0; i < 16; ++i) seals.push(make_frame(ring, i, i % 2 == 0 ? 64_KiB : 1));
  std::uint64_t out = 0;
  const auto deadline = soon();
  while (out < 16 && !deadline.passed()) {
    while (auto slot = seals.pop()) opens.push(std::move(*slot));
    while (auto slot = opens.pop()) {
      REQUIRE(decode_frame(slot->header()).value().sequence == out);
      REQUIRE(slot->filled()[0] == static_cast<std::byte>(out));
      ++out;
    }
    if (out < 16) lanes.loop.wait(deadline);
  }
  CHECK(out == 16);
  CHECK(seals.empty());
  CHECK(opens.empty());
}

TEST_CASE("swapped frames do not pass a lane") {
  Ring ring({4_KiB, 4});
  Lanes lanes;
  Slot first = make_frame(ring, 0, 100);
  Slot second = make_frame(ring, 1, 100);
  lanes.sealer.seal(first);
  lanes.sealer.seal(second);
  Lane opens = lanes.opens();
  opens.push(std::move(second));
  opens.push(std::move(first));
  const auto pop = [&] {
    const auto deadline = soon();
    while (!opens.pop() && !deadline.passed()) lanes.loop.wait(deadline);
  };
  try {
    pop();
    FAIL("a swapped frame was accepted");
  } catch (const Error& error) {
    CHECK(error.status() == Status::kDamaged);
  }
}

TEST_CASE("a lane may end while its workers are busy") {
  Ring ring({64_KiB, 8});
  Lanes lanes;
  {
    Lane seals = lanes.seals();
    for (std::uint64_t i = 0; i < 8; ++i) seals.push(make_frame(ring, i, 64_KiB));
  }
  CHECK(ring.free_slots() == 8);
}

TEST_CASE("what a slot in a lane has borrowed goes home on the lane's thread, when it comes out") {
  Ring ring({64_KiB, 2}), own({64_KiB, 2});
  Loop loop;
  Lane copies(loop, [](Slot& slot, std::uint64_t) { slot.own(); });
  {
    SharedSlot shared = make_frame(ring, 7, 1000).share();
    Slot slot = make_frame(own, 0, 0);
    slot.borrow(std::move(shared));
    copies.push(std::move(slot));
  }
  const auto deadline = soon();
  std::optional<Slot> out;
  while (!deadline.passed()) {
    loop.wait(deadline);
    CHECK(ring.free_slots() == 1);
    if ((out = copies.pop())) break;
  }
  REQUIRE(out);
  CHECK(ring.free_slots() == 2);
  CHECK(!out->borrows());
  CHECK(out->filled()[999] == std::byte{7});
}
