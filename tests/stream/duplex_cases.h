// What a duplex must do over any link: each case is given what makes links.
#pragma once

#include <array>
#include <string>

#include "catch.h"
#include "ground/units.h"
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

// One thread, and no call that waits: a full link must become writable all the same.
inline void moves_without_ever_waiting(const LinkMaker& links) {
  DuplexPair pair(links, {.shape = {256_KiB, 16}});
  const Flow flow(8);
  std::vector<std::byte> buffer(Flow::kMost);
  std::uint64_t written = 0, read = 0;
  const auto write = [&] {
    const std::size_t taken = (*pair.a)->write(flow.at(written, 50000), Deadline::now());
    written += taken;
    return taken;
  };
  for (int refused = 0; refused < 1000;) refused = write() > 0 ? 0 : refused + 1;
  const Deadline limit = soon();
  while (read < 30'000'000) {
    demand(!limit.passed(), "nothing moves any more");
    if (const auto count = (*pair.b)->read(buffer, Deadline::now())) {
      demand(flow.is_at(read, std::span(buffer).first(*count)), "wrong bytes");
      read += *count;
    }
    static_cast<void>(write());
  }
  CHECK(read >= 30'000'000);
}

// What `call` throws in the end; calls are made often enough, and none of them waits.
template <typename Call>
Status status_of_calls(Call call) {
  Status status = Status::kOk;
  const Deadline limit = Deadline::in(std::chrono::seconds(20));
  while (status == Status::kOk && !limit.passed()) {
    status = status_of(call);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return status;
}

inline void notices_a_lost_peer_without_waiting(const LinkMaker& links) {
  for (const bool only_reads : {true, false}) {
    DuplexPair pair(links);
    pair.b.reset();
    Duplex& a = **pair.a;
    const Status status = status_of_calls([&] {
      if (only_reads) {
        static_cast<void>(read_text(a, 1, Deadline::now()));
      } else {
        static_cast<void>(a.wait(Duplex::kReadable | Duplex::kWritable, Deadline::now()));
      }
    });
    CHECK(status == Status::kNetwork);
  }
}

inline void tells_all_that_is_possible(const LinkMaker& links) {
  constexpr unsigned kBoth = Duplex::kReadable | Duplex::kWritable;
  DuplexPair pair(links);
  Duplex &a = **pair.a, &b = **pair.b;
  CHECK(a.wait(kBoth, soon()) == Duplex::kWritable);
  REQUIRE(write_text(b, "hello", soon()) == 5);
  std::this_thread::sleep_for(std::chrono::milliseconds(300));  // it arrives
  CHECK(a.wait(kBoth, Deadline::now()) == kBoth);
  CHECK(read_text(a) == "hello");
  CHECK(a.wait(kBoth, Deadline::now()) == Duplex::kWritable);
  b.shut_down();
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  CHECK(a.wait(kBoth, soon()) == kBoth);
  a.shut_down();
  CHECK(status_of([&] { (void)a.wait(Duplex::kWritable, soon()); }) == Status::kUsage);
  CHECK(a.wait(kBoth, soon()) == Duplex::kReadable);  // its end
}

// Room that nobody tells of must not be slept through: it would take as long as the keep-alive.
inline void keeps_pace_with_a_slower_reader(const LinkMaker& links) {
  constexpr std::uint64_t kLength = 12'000'000;
  DuplexPair pair(links, {.busy_poll = std::chrono::milliseconds(200)});
  const auto begun = Clock::now();
  at_once(
      [&] {
        const Flow flow(6);
        for (std::uint64_t written = 0; written < kLength; written += 16384) {
          demand((*pair.a)->write(flow.at(written, 16384), soon()) == 16384, "not written");
        }
        demand((*pair.a)->close(soon()) == Duplex::Closing::kDone, "not closed");
      },
      [&] {
        std::vector<std::byte> buffer(16384);
        while ((*pair.b)->read(buffer, soon()).value() > 0) {
          std::this_thread::sleep_for(std::chrono::milliseconds(2));
        }
        demand((*pair.b)->close(soon()) == Duplex::Closing::kDone, "not closed");
      });
  CHECK(Clock::now() - begun < std::chrono::seconds(12));
}

// `last` is what one end does when the other has said and heard everything.
template <typename Last>
void ends_whatever_comes_then(const LinkMaker& links, Last last) {
  DuplexPair pair(links);
  Duplex &a = **pair.a, &b = **pair.b;
  REQUIRE(write_text(a, "hello", soon()) == 5);
  a.shut_down();
  b.shut_down();
  CHECK(read_text(b) == "hello");
  CHECK(read_text(b).empty());
  CHECK(read_text(a).empty());
  CHECK(a.sync(soon()));
  last(*pair.b->session);
  CHECK(read_text(b).empty());
  at_once([&] { demand(a.close(soon()) == Duplex::Closing::kDone, "a is not closed"); },
          [&] { demand(b.close(soon()) == Duplex::Closing::kDone, "b is not closed"); });
}

inline void ignores_what_comes_behind_the_end(const LinkMaker& links) {
  ends_whatever_comes_then(links, [](Session& session) {
    session.link().post_control(std::array<std::byte, 40>{std::byte{23}});  // no TLS
  });
  ends_whatever_comes_then(links, [](Session& session) { session.send(Committed{77}); });
}

// Also when it has heard that the peer has everything: what the peer says itself does not become an end.
inline void does_not_close_over_a_failure(const LinkMaker& links) {
  DuplexPair pair(links);
  Duplex &a = **pair.a, &b = **pair.b;
  REQUIRE(write_text(a, "hello", soon()) == 5);
  a.shut_down();
  CHECK(read_text(b) == "hello");
  CHECK(read_text(b).empty());
  pair.b->session->dismiss(Error(Status::kTimeout, "test", "it gives up"));
  CHECK(b.wait(Duplex::kReadable, soon()) == Duplex::kReadable);
  CHECK(status_of([&] { (void)a.close(soon()); }) == Status::kTimeout);
  CHECK(status_of([&] { (void)a.close(soon()); }) == Status::kTimeout);
  CHECK(status_of([&] { a.shut_down(); }) == Status::kTimeout);
}

}  // namespace rdpipe
