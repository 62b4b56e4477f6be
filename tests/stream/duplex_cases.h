// What a duplex must do over any link: each case is given what makes links.
#pragma once

#include <string>

#include "catch.h"
#include "stream/duplex_ends.h"

namespace rdpipe {

inline void talks_both_ways_at_once(const LinkMaker& links, const DuplexSetup& setup, int messages) {
  DuplexPair pair(links, setup);
  std::uint64_t to_a = 0, to_b = 0;
  at_once([&] { to_a = talk(**pair.a, 1, 2, messages); }, [&] { to_b = talk(**pair.b, 2, 1, messages); });
  CHECK(to_a > 100U * static_cast<unsigned>(messages));
  CHECK(to_b > 100U * static_cast<unsigned>(messages));
}

inline void echoes(const LinkMaker& links, const DuplexSetup& setup, int messages) {
  DuplexPair pair(links, setup);
  const Flow flow(1);
  bool same = true;
  at_once(
      [&] {
        Duplex& duplex = **pair.a;
        std::vector<std::byte> back(64);
        for (int i = 0; i < messages; ++i) {
          const auto message = flow.at(static_cast<unsigned>(i), 64);
          demand(duplex.write(message, soon()) == 64, "not written");
          for (std::size_t done = 0; done < 64;) {
            const auto count = duplex.read(std::span(back).subspan(done), soon());
            demand(count.has_value() && *count > 0, "no echo");
            done += *count;
          }
          same = same && std::ranges::equal(message, back);
        }
        demand(duplex.close(soon()) == Duplex::Closing::kDone, "not closed");
      },
      [&] { echo(**pair.b); });
  CHECK(same);
}

// Whatever the reader does, the writer's memory and the wire hold it; when it reads, all is there.
inline void waits_for_a_slow_reader(const LinkMaker& links, const DuplexSetup& setup = {}) {
  DuplexPair pair(links, setup);
  const Flow flow(5);
  std::uint64_t written = 0, read = 0;
  std::size_t taken = 0;
  // Once nothing is taken for a while, nothing will be.
  while ((taken = pair.a->duplex->write(flow.at(written, 50000),
                                        Deadline::in(std::chrono::milliseconds(200)))) > 0) {
    written += taken;
  }
  CHECK(written >= setup.shape.payload_bytes() / 2);
  at_once(
      [&] {
        for (; written < 20'000'000; written += taken)
          taken = (*pair.a)->write(flow.at(written, 50000), soon());
        demand((*pair.a)->close(soon()) == Duplex::Closing::kDone, "not closed");
      },
      [&] {
        std::vector<std::byte> buffer(Flow::kMost);
        std::minstd_rand random(3);
        while (const auto count =
                   (*pair.b)->read(std::span(buffer).first(random_size(random)), soon()).value()) {
          demand(flow.is_at(read, std::span(buffer).first(count)), "wrong bytes");
          read += count;
        }
        demand((*pair.b)->close(soon()) == Duplex::Closing::kDone, "not closed");
      });
  CHECK(read == written);
}

inline void is_good_after_every_missed_deadline(const LinkMaker& links, const DuplexSetup& setup = {}) {
  DuplexPair pair(links, setup);
  Duplex &a = **pair.a, &b = **pair.b;
  const auto brief = [] { return Deadline::in(std::chrono::milliseconds(30)); };
  for (const bool at_once : {false, true}) {
    const auto deadline = [&] { return at_once ? Deadline::now() : brief(); };
    const auto begun = Clock::now();
    CHECK(read_text(a, 10, deadline()) == "(late)");
    CHECK_FALSE(a.read_slot(deadline()));
    CHECK(a.wait(Duplex::kReadable, deadline()) == 0);
    CHECK(a.sync(deadline()));  // nothing was written
    CHECK(Clock::now() - begun < std::chrono::seconds(10));
  }
  REQUIRE(write_text(a, "hello", soon()) == 5);
  CHECK_FALSE(a.sync(brief()));  // b has not read it
  CHECK(a.close(brief()) == Duplex::Closing::kLate);
  CHECK(read_text(b) == "hello");
  CHECK(read_text(b).empty());
  CHECK(read_text(b).empty());
  CHECK(a.sync(soon()));
  CHECK(a.close(brief()) == Duplex::Closing::kLate);  // b may still write
  std::vector<std::byte> much(2 * setup.shape.payload_bytes() + 12'000'000, std::byte{7});
  const std::size_t taken = b.write(much, brief());
  CHECK(taken > 0);
  CHECK(taken < much.size());
  CHECK(b.write(much, brief()) == 0);
  CHECK(b.write_slot(brief()).empty());
  CHECK(b.wait(Duplex::kWritable, brief()) == 0);
  CHECK(a.close(brief()) == Duplex::Closing::kUnread);
  std::size_t read = 0;
  at_once(
      [&] {
        std::vector<std::byte> buffer(Flow::kMost);
        while (const auto count = a.read(buffer, soon()).value()) read += count;
        demand(a.close(soon()) == Duplex::Closing::kDone, "a is not closed");
      },
      [&] { demand(b.close(soon()) == Duplex::Closing::kDone, "b is not closed"); });
  CHECK(read == taken);
}

inline void hands_out_slots(const LinkMaker& links, const DuplexSetup& setup = {}) {
  DuplexPair pair(links, setup);
  Duplex &a = **pair.a, &b = **pair.b;
  auto memory = a.write_slot(soon());
  REQUIRE(memory.size() == setup.shape.slot_size);
  CHECK(status_of([&] { (void)write_text(a, "x"); }) == Status::kUsage);
  std::memcpy(memory.data(), "in place", 8);
  a.commit(8);
  REQUIRE(!a.write_slot(soon()).empty());
  a.commit(0);  // given back
  CHECK(status_of([&] { a.commit(1); }) == Status::kUsage);
  const auto slot = b.read_slot(soon());
  REQUIRE(slot);
  CHECK(std::string(reinterpret_cast<const char*>(slot->data()), slot->size()) == "in place");
  CHECK(status_of([&] { (void)read_text(b); }) == Status::kUsage);
  CHECK_FALSE(a.sync(Deadline::in(std::chrono::milliseconds(30))));  // the slot is still in use
  b.release();
  CHECK(status_of([&] { b.release(); }) == Status::kUsage);
  at_once([&] { demand(a.sync(soon()), "not consumed"); },
          [&] { (void)b.wait(Duplex::kReadable, Deadline::in(std::chrono::milliseconds(500))); });
  b.shut_down();
  a.shut_down();
  const auto end = b.read_slot(soon());
  REQUIRE(end);
  CHECK(end->empty());
  CHECK(status_of([&] { (void)write_text(a, "x"); }) == Status::kUsage);
}

inline void notices_a_peer_that_vanishes_before_sync(const LinkMaker& links) {
  DuplexPair pair(links);
  REQUIRE(write_text(**pair.a, "hello", soon()) == 5);
  CHECK(read_text(**pair.b, 3) == "hel");  // and not the rest
  pair.b.reset();
  CHECK(status_of([&] { (void)(*pair.a)->sync(soon()); }) == Status::kNetwork);
  CHECK(status_of([&] { (void)read_text(**pair.a); }) == Status::kNetwork);
  CHECK(status_of([&] { (void)write_text(**pair.a, "x"); }) == Status::kNetwork);
  CHECK(status_of([&] { (void)(*pair.a)->close(soon()); }) == Status::kNetwork);
}

}  // namespace rdpipe
