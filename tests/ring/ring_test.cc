#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "catch.h"
#include "ring/ring.h"

using namespace rdpipe;

TEST_CASE("every payload lies at a page boundary, and headers lie apart") {
  Ring ring({8_KiB, 5});
  std::vector<Slot> slots;
  while (auto slot = ring.acquire()) slots.push_back(std::move(*slot));
  REQUIRE(slots.size() == 5);
  for (const Slot& slot : slots) {
    CHECK(reinterpret_cast<std::uintptr_t>(slot.payload().data()) % kPageSize == 0);
    CHECK(slot.payload().size() == 8_KiB);
    CHECK(slot.payload().data() == ring.payloads().data() + slot.index() * 8_KiB);
    CHECK(slot.header().data() >= ring.memory().data());
    CHECK(slot.header().data() + kFrameHeaderSize <= ring.payloads().data());
  }
}

TEST_CASE("a slot goes home when its owner goes, and only then") {
  Ring ring({4_KiB, 2});
  {
    auto first = ring.acquire();
    Slot second = std::move(*ring.acquire());
    CHECK(ring.free_slots() == 0);
    CHECK(!ring.acquire());
    Slot moved = std::move(second);
    CHECK(!second);  // NOLINT(bugprone-use-after-move): that is the fact
    CHECK(ring.free_slots() == 0);
    moved = std::move(*first);
    CHECK(ring.free_slots() == 1);
  }
  CHECK(ring.free_slots() == 2);
}

TEST_CASE("a slot comes out empty each time, the warmest first") {
  Ring ring({4_KiB, 4});
  auto slot = ring.acquire();
  slot->resize(100);
  CHECK(slot->filled().size() == 100);
  const auto index = slot->index();
  slot.reset();
  const auto again = ring.acquire();
  CHECK(again->index() == index);
  CHECK(again->size() == 0);
}

TEST_CASE("a shared slot goes home with its last reader") {
  Ring ring({4_KiB, 2});
  auto slot = ring.acquire();
  slot->resize(3);
  std::fill_n(slot->payload().begin(), 3, std::byte{7});
  SharedSlot first = std::move(*slot).share();
  slot.reset();
  {
    const SharedSlot second = first;
    CHECK(second.filled().size() == 3);
    CHECK(second.filled()[2] == std::byte{7});
    CHECK(ring.free_slots() == 1);
  }
  CHECK(ring.free_slots() == 1);
  { const SharedSlot last = std::move(first); }
  CHECK(ring.free_slots() == 2);
}

TEST_CASE("a slot that borrows has another's bytes, and keeps them until it is home or owns a copy") {
  Ring ring({8_KiB, 2});
  Ring headers({4_KiB, 2});
  auto slot = ring.acquire();
  slot->resize(5000);
  std::fill_n(slot->payload().begin(), 5000, std::byte{7});
  const std::byte* const lent = slot->payload().data();
  std::optional<SharedSlot> shared = std::move(*slot).share();
  slot.reset();

  auto first = headers.acquire();
  first->borrow(*shared);
  CHECK(first->borrows());
  CHECK(first->size() == 5000);
  CHECK(first->filled().data() == lent);
  CHECK(headers.memory().data() <= first->header().data());

  auto large = ring.acquire();
  large->borrow(*shared);
  shared.reset();
  large->own();
  CHECK(!large->borrows());
  CHECK(large->filled().data() == large->payload().data());
  CHECK(large->size() == 5000);
  CHECK(large->filled()[4999] == std::byte{7});

  Slot moved = std::move(*first);
  first.reset();
  CHECK(moved.filled().data() == lent);
  CHECK(ring.free_slots() == 0);
  moved = Slot();
  CHECK(ring.free_slots() == 1);
  CHECK(headers.free_slots() == 2);
  large.reset();
  CHECK(ring.acquire()->size() == 0);
}

TEST_CASE(
    "what is borrowed does not go home while it is on loan, and what nobody else has can be filled again") {
  Ring ring({8_KiB, 2});
  auto slot = ring.acquire();
  slot->resize(100);
  auto shared = std::optional(std::move(*slot).share());
  slot.reset();
  CHECK(shared->is_last());
  auto borrower = ring.acquire();
  borrower->borrow(*shared);
  CHECK(!shared->is_last());
  auto loan = borrower->loan();
  shared.reset();
  borrower->own();
  CHECK(ring.free_slots() == 0);
  loan.reset();
  CHECK(ring.free_slots() == 1);

  SharedSlot last = std::move(*borrower).share();
  Slot again = std::move(last).unshare();
  again.resize(200);
  CHECK(again.size() == 200);
}

TEST_CASE("a ring shrinks in steps down to two slots of a page") {
  RingShape shape = GENERATE(RingShape{256_KiB, 16}, RingShape{4_KiB, 3}, RingShape{256_KiB, 7});
  int steps = 0;
  std::size_t before = shape.payload_bytes() + 1;
  while (true) {
    CHECK(shape.payload_bytes() < before);
    before = shape.payload_bytes();
    const auto smaller = shape.smaller();
    if (!smaller) break;
    shape = *smaller;
    REQUIRE(++steps < 40);
  }
  CHECK(shape == RingShape{4_KiB, 2});
}

TEST_CASE("a ring that keeps little gives the memory of free slots back") {
  Ring ring({64_KiB, 16}, 2);
  {
    std::vector<Slot> slots;
    while (auto slot = ring.acquire()) {
      std::fill_n(slot->payload().begin(), 64_KiB, std::byte{1});
      slots.push_back(std::move(*slot));
    }
    CHECK(slots.size() == 16);
  }
  CHECK(ring.free_slots() == 16);
  std::vector<unsigned char> pages(16 * 64_KiB / kPageSize);
  REQUIRE(::mincore(ring.payloads().data(), ring.payloads().size(), pages.data()) == 0);
  const auto resident =
      std::count_if(pages.begin(), pages.end(), [](unsigned char page) { return page & 1; });
  CHECK(resident <= 2 * 16);
  std::vector<Slot> again;
  while (auto slot = ring.acquire()) again.push_back(std::move(*slot));
  CHECK(again.size() == 16);
}

TEST_CASE("slots of another ring come first, but for the last while one of its own is out") {
  Ring ring({4_KiB, 4});
  Ring lender({4_KiB, 3});
  ring.lend_from(&lender);
  std::vector<Slot> slots;
  for (int i = 0; i < 3; ++i) slots.push_back(std::move(*ring.acquire()));
  CHECK(std::all_of(slots.begin(), slots.end(), [&](const Slot& slot) { return slot.is_of(lender); }));
  auto own = ring.acquire();
  CHECK(own->is_of(ring));
  slots.pop_back();
  CHECK(ring.acquire()->is_of(ring));  // the lender's last is for the one that is out
  own.reset();
  CHECK(ring.acquire()->is_of(lender));
  ring.lend_from(nullptr);
  CHECK(ring.acquire()->is_of(ring));
}
