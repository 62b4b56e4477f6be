// Links over a real RDMA device: a program of its own, for a host that has one (tests/rdma/on-one-host).

#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "catch.h"
#include "transport/rdma_links.h"

using namespace rdpipe;
using namespace rdpipe::literals;
using std::chrono::milliseconds;
using std::chrono::seconds;
namespace {

void move_one_way(RingShape shape, std::uint64_t total, bool holes) {
  Loop loop;
  Ring out(shape), in(shape);
  Both both = connect_both(loop, host());
  both.a->attach(out);
  both.b->attach(in);
  Sender sender{.link = *both.a, .ring = out, .left = total, .holes = holes};
  Receiver receiver{.link = *both.b};
  receiver.start(in);
  Seen seen_a, seen_b;
  await(loop, [&] {
    drain(*both.a, seen_a);
    sender.step();
    drain(*both.b, seen_b, &receiver);
    return receiver.offset == total && both.a->drained();
  });
  CHECK(receiver.wrong == 0);
}

}  // namespace

TEST_CASE("rdma: 64 MiB each way at once, on two threads, arrive as sent", "[rdma]") {
  constexpr std::uint64_t kTotal = 64_MiB;
  Loop loop;
  Both both = connect_both(loop, host());
  std::atomic<int> ready{0};
  const auto run = [&](Loop& own, std::unique_ptr<Link> link, std::size_t& wrong) {
    Ring out({128_KiB, 8}), in({128_KiB, 8});
    const auto mine = std::move(link);
    mine->attach(out);
    mine->attach(in);
    Sender sender{.link = *mine, .ring = out, .left = kTotal};
    Receiver receiver{.link = *mine};
    receiver.start(in);
    Seen seen;
    await(own, [&] {
      drain(*mine, seen, &receiver);
      sender.step();
      return receiver.offset == kTotal && sender.left == 0 && mine->drained();
    });
    wrong = receiver.wrong;
    for (++ready; ready < 2;) own.wait(Deadline::in(milliseconds(1)));  // the other may still receive
  };
  std::size_t wrong_a = 1, wrong_b = 1;
  std::thread other([&, link = std::move(both.b)]() mutable {
    Loop own;
    link->move_to(own);
    run(own, std::move(link), wrong_b);
  });
  run(loop, std::move(both.a), wrong_a);
  other.join();
  CHECK(wrong_a == 0);
  CHECK(wrong_b == 0);
}

TEST_CASE("rdma: slots are granted before all that came is taken", "[rdma]") {
  Loop loop;
  Ring out({4_KiB, 20}), in({4_KiB, 16});
  Both both = connect_both(loop, host());
  both.a->attach(out);
  both.b->attach(in);
  Sender sender{.link = *both.a, .ring = out, .left = 20 * 4_KiB};
  Receiver receiver{.link = *both.b};
  receiver.start(in);
  Seen seen;
  await(loop, [&] {
    if (both.b->poll()) throw Error(Status::kDamaged, "take events", "something before it was sent");
    drain(*both.a, seen);
    return both.a->send_credits() > 8;
  });
  sender.step();
  await(loop, [&] { return drain(*both.a, seen), both.a->drained(); });
  REQUIRE(both.a->send_credits() == 0);
  for (int i = 0; i < 6; ++i) {
    auto event = both.b->poll();
    REQUIRE(event);
    receiver.take(std::move(std::get<Received>(*event)));
  }
  await(
      loop, [&] { return drain(*both.a, seen), both.a->send_credits() > 0; }, seconds(5));
  CHECK(receiver.wrong == 0);
}

TEST_CASE("rdma: rings from two slots up, with holes", "[rdma]") {
  move_one_way({4_KiB, 2}, 1_MiB, false);
  move_one_way({64_KiB, 2}, 8_MiB, true);
  move_one_way({256_KiB, 16}, 32_MiB + 12345, true);
  move_one_way({4_KiB, 200}, 8_MiB, false);  // more slots than the queue both takes
}

TEST_CASE("rdma: control frames keep their place before, between and after data", "[rdma]") {
  Loop loop;
  Ring out({64_KiB, 4}), in({64_KiB, 4});
  Both both = connect_both(loop, host());
  Seen seen_a, seen_b;
  Receiver receiver{.link = *both.b};
  const auto step = [&] { drain(*both.a, seen_a), drain(*both.b, seen_b, &receiver); };
  for (int i = 0; i < 100; ++i) say(*both.a, fmt::format("a{}", i));
  for (int i = 0; i < 100; ++i) say(*both.b, std::string(kMaxControlPayload, 'b'));
  await(loop, [&] { return step(), seen_a.control.size() == 100 && seen_b.control.size() == 100; });
  CHECK(seen_b.control.front() == "a0");
  CHECK(seen_b.control.back() == "a99");
  CHECK(seen_a.control.back() == std::string(kMaxControlPayload, 'b'));
  both.a->attach(out);
  both.b->attach(in);
  receiver.start(in);
  Sender sender{.link = *both.a, .ring = out};
  for (std::uint64_t round = 0; round < 30; ++round) {
    sender.left = 3 * 64_KiB;
    const std::uint64_t total = sender.offset + sender.left;
    await(loop, [&] { return step(), sender.step(), sender.left == 0; });
    say(*both.a, fmt::format("{}", total));
    say(*both.b, "seen");
    await(loop, [&] { return step(), seen_b.control.size() == 101 + round; });
    CHECK(seen_b.control.back() == std::to_string(receiver.offset));
  }
  await(loop, [&] { return step(), seen_a.control.size() == 130; });
  CHECK(receiver.wrong == 0);
}

TEST_CASE("rdma: close() lets everything arrive first, and both ends are told", "[rdma]") {
  Loop loop;
  Ring out({64_KiB, 8}), in({64_KiB, 8});
  Both both = connect_both(loop, host());
  both.a->attach(out);
  both.b->attach(in);
  Receiver receiver{.link = *both.b};
  Seen seen_a, seen_b;
  receiver.start(in);
  Sender sender{.link = *both.a, .ring = out, .left = 8 * 64_KiB};
  await(loop, [&] {
    drain(*both.b, seen_b, &receiver), drain(*both.a, seen_a), sender.step();
    return sender.left == 0;
  });
  for (int i = 0; i < 50; ++i) say(*both.a, "last words");
  both.a->close();
  await(loop, [&] {
    drain(*both.a, seen_a), drain(*both.b, seen_b, &receiver);
    return seen_b.closed;
  });
  CHECK(receiver.offset == 8 * 64_KiB);
  CHECK(seen_b.control.size() == 50);
  CHECK(both.a->drained());
  both.b->close();
  await(loop, [&] { return drain(*both.a, seen_a), seen_a.closed; });
}

TEST_CASE("rdma: a peer that is gone in the middle is noticed at once, and its slots come home", "[rdma]") {
  Loop loop;
  Ring out({256_KiB, 8}), in({256_KiB, 8});
  Both both = connect_both(loop, host());
  both.a->attach(out);
  both.b->attach(in);
  Receiver receiver{.link = *both.b};
  receiver.start(in);
  Sender sender{.link = *both.a, .ring = out, .left = 1_GiB};
  Seen seen_a, seen_b;
  await(loop, [&] {
    drain(*both.a, seen_a), sender.step(), drain(*both.b, seen_b, &receiver);
    return receiver.offset > 4_MiB;
  });
  sender.step();
  const auto begun = Clock::now();
  both.b.reset();
  CHECK(in.free_slots() == 8);
  std::string failure;
  try {
    await(
        loop, [&] { return drain(*both.a, seen_a), sender.step(), seen_a.closed; }, seconds(5));
  } catch (const Error& error) {
    failure = error.what();
    CHECK(error.status() == Status::kNetwork);
  }
  INFO(failure);
  CHECK(Clock::now() - begun < seconds(2));
  CHECK((seen_a.closed || !failure.empty()));
  both.a.reset();
  CHECK(out.free_slots() == 8);
}

TEST_CASE("rdma: a peer that does not poll is not taken for dead", "[rdma]") {
  Loop loop;
  Both both = connect_both(loop, host(), options_with(seconds(1)));
  const Deadline end = Deadline::in(milliseconds(3500));
  Seen seen;
  while (!end.passed()) {
    drain(*both.a, seen);
    loop.wait(end);
  }
  say(*both.b, "still here");
  await(loop, [&] { return drain(*both.a, seen), drain(*both.b, seen), !seen.control.empty(); });
  CHECK_FALSE(seen.closed);
}

// Their requests were queued while the listening process was stopped, and some fail only when looked at.
// Run as another user by the case below, in a process of its own.
TEST_CASE("rdma: as a user with little memory to pin", "[.memlock]") {
  Loop loop;
  Ring large({256_KiB, 16}), small({4_KiB, 4}), in({4_KiB, 4});
  Both both = connect_both(loop, host());
  try {
    both.a->attach(large);
    FAIL("the limit was not enforced");
  } catch (const Error& error) {
    CHECK(error.status() == Status::kMemory);
    CHECK_THAT(error.what(), Catch::Contains("4198400 bytes"));
    CHECK_THAT(error.hint(), Catch::Contains("ulimit -l") && Catch::Contains("512 KiB"));
  }
  both.a->attach(small);
  both.b->attach(in);
  Receiver receiver{.link = *both.b};
  receiver.start(in);
  Sender sender{.link = *both.a, .ring = small, .left = 100000};
  Seen seen;
  await(loop, [&] {
    drain(*both.a, seen), sender.step(), drain(*both.b, seen, &receiver);
    return receiver.offset == 100000;
  });
  CHECK(receiver.wrong == 0);
}

TEST_CASE("rdma: memory that cannot be pinned is an error that says what to raise, and the link lives on",
          "[rdma]") {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const rlimit limit{512 * 1024, 512 * 1024};
    if (::setrlimit(RLIMIT_MEMLOCK, &limit) != 0 || ::setuid(65534) != 0) ::_exit(2);
    ::execl("/proc/self/exe", "test_rdma_link", "[.memlock]", nullptr);
    ::_exit(3);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

// For tests/rdma/two-hosts-faults: host a dials host b, moves data, and cuts the cable in a way that nobody
// is told of. Each end must find out by itself, idle (b) or with data under way (a).
TEST_CASE("rdma: a cut cable is noticed within the keep-alive limit", "[.two]") {
  const auto options = options_with(seconds(4));
  const bool dials = std::string(std::getenv("RDPIPE_GUEST")) == "a";
  Loop loop;
  Ring ring({64_KiB, 8});
  std::unique_ptr<Link> link;
  std::unique_ptr<Acceptor> acceptor;
  std::unique_ptr<Dial> dial;
  if (!dials) acceptor = listen_rdma(loop, "7777", options);
  await(loop, [&] {
    loop.wake_at(Deadline::in(milliseconds(200)));
    if (!dials) return (link = acceptor->poll()) != nullptr;
    try {
      if (!dial) dial = dial_rdma(loop, {"10.77.1.2", "7777"}, options);
      link = dial->poll();
    } catch (const Error&) {
      dial.reset();  // it does not listen yet
    }
    return link != nullptr;
  });
  link->attach(ring);
  Receiver receiver{.link = *link};
  Sender sender{.link = *link, .ring = ring, .left = dials ? 1_GiB : 0};
  if (!dials) receiver.start(ring);
  Seen seen;
  bool cut = false;
  Clock::time_point since = Clock::now();
  try {
    await(loop, [&] {
      const auto sequence = receiver.sequence;
      drain(*link, seen, &receiver), sender.step();
      if (receiver.sequence != sequence) since = Clock::now();
      if (!cut && sender.offset > 8_MiB) {
        cut = true;
        REQUIRE(std::system("tc qdisc add dev eth0 root netem loss 100%") == 0);
        since = Clock::now();
      }
      return seen.closed;
    });
    FAIL("an end, where there was none");
  } catch (const Error& error) {
    const std::chrono::duration<double> took = Clock::now() - since;
    fmt::print("{} after {:.1f} s: {}\n", dials ? "a" : "b", took.count(), error.what());
    CHECK(error.status() == Status::kNetwork);
    CHECK(took < milliseconds(4500));
  }
  CHECK(std::system("guestctl barrier noticed 30") == 0);  // only a's packets are lost: b must not tell a
}

// How fast bare slots move, for comparison with ib_send_bw in the same guest: MB/s on stdout.
TEST_CASE("rdma: speed of a bare slot loop", "[.speed]") {
  for (const RingShape shape : {RingShape{128_KiB, 32}, RingShape{256_KiB, 16}, RingShape{64_KiB, 16}}) {
    constexpr std::uint64_t kTotal = 96_MiB;
    Loop loop;
    Both both = connect_both(loop, host());
    std::thread other([&, link = std::move(both.b), shape]() mutable {
      Loop own;
      Ring in(shape);
      const auto mine = std::move(link);
      mine->move_to(own);
      mine->attach(in);
      Receiver receiver{.link = *mine, .check = false};
      receiver.start(in);
      Seen seen;
      await(own, [&] { return drain(*mine, seen, &receiver), seen.closed; });
    });
    {
      Ring out(shape);
      const auto mine = std::move(both.a);
      mine->attach(out);
      Sender sender{.link = *mine, .ring = out, .left = kTotal, .fill = false};
      Seen seen;
      const auto begun = Clock::now();
      await(loop, [&] {
        drain(*mine, seen), sender.step();
        return sender.left == 0 && mine->drained();
      });
      const std::chrono::duration<double> took = Clock::now() - begun;
      fmt::print("slots of {} KiB: {:.2f} MB/s\n", shape.slot_size / 1024,
                 static_cast<double>(kTotal) / took.count() / 1e6);
      mine->close();
      await(loop, [&] { return drain(*mine, seen), seen.closed; });
    }
    other.join();
  }
}
