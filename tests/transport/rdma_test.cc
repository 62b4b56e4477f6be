// Links over a real RDMA device: a program of its own, for a host that has one (tests/rdma/on-one-host).

#include <arpa/inet.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "catch.h"
#include "ground/error.h"
#include "io/loop.h"
#include "transport/dial.h"
#include "transport/rdma_endpoint.h"
#include "verbs/device.h"

using namespace rdpipe;
using namespace rdpipe::literals;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

std::string device() {
  const auto names = rdma_device_names();
  if (names.empty()) throw Error(Status::kEndpoint, "look for an RDMA device", "this host has none");
  return names.front();
}

// The device's own address.
std::string host(int family = AF_INET) {
  for (const GidAddress& gid : gid_addresses(device())) {
    if (gid.link_local || gid.address.ss_family != family) continue;
    std::string text = socket_address(reinterpret_cast<const sockaddr*>(&gid.address)).text();
    text.erase(text.rfind(':'));
    if (text.front() == '[') text = text.substr(1, text.size() - 2);
    return text;
  }
  throw Error(Status::kEndpoint, "look for the RDMA device's address", "it has none of this family");
}

FabricOptions options_with(Nanoseconds keep_alive) {
  FabricOptions options;
  options.keep_alive = keep_alive;
  return options;
}

// Sleeps and calls `done` until it says true; fails after `limit`.
void await(Loop& loop, const std::function<bool()>& done, Nanoseconds limit = seconds(60)) {
  const Deadline deadline = Deadline::in(limit);
  while (!done()) {
    if (deadline.passed()) throw Error(Status::kTimeout, "wait for the test", "nothing happens");
    loop.wait(deadline);
  }
}

struct Both {
  std::unique_ptr<Acceptor> acceptor;
  std::unique_ptr<Link> a, b;  // dialled, accepted
};

Both connect_both(Loop& loop, const std::string& to, const FabricOptions& options = {}) {
  Both both;
  both.acceptor = listen_rdma(loop, "0", options);
  const auto dial = dial_rdma(loop, {to, std::to_string(both.acceptor->port())}, options);
  await(loop, [&] {
    if (!both.a) both.a = dial->poll();
    if (!both.b) both.b = both.acceptor->poll();
    return both.a && both.b;
  });
  return both;
}

// One that asks to be connected and does nothing more, by the verbs alone.
struct Asker {
  explicit Asker(std::uint16_t port) {
    SocketAddress to =
        socket_address(reinterpret_cast<const sockaddr*>(&gid_addresses(device()).back().address));
    to.set_port(port);
    REQUIRE(id.resolve_address(nullptr, to.get(), seconds(2)) == 0);
  }
  void advance(std::span<const std::byte> greeting) {
    const auto event = channel.take();
    if (!event) return;
    if (event->kind == ConnectionEventKind::kAddressResolved) REQUIRE(id.resolve_route(seconds(2)) == 0);
    if (event->kind == ConnectionEventKind::kRouteResolved) {
      domain.emplace(id.device());
      completions.emplace(id.device(), 8);
      queue.emplace(id, *domain, *completions, QueueDepths{.sends = 2, .receives = 2});
      REQUIRE(id.connect(greeting) == 0);
      asked = true;
    }
    refused = event->kind == ConnectionEventKind::kFailed && event->refused;
  }

  EventChannel channel;
  ConnectionId id{channel};
  std::optional<ProtectionDomain> domain;
  std::optional<CompletionQueue> completions;
  std::optional<QueuePair> queue;
  bool asked = false, refused = false;
};

std::byte pattern(std::uint64_t offset) {
  return static_cast<std::byte>((offset * 2654435761U) >> 13 ^ offset >> 21);
}

struct Sender {
  Link& link;
  Ring& ring;
  std::uint64_t left = 0, offset = 0, sequence = 0;
  bool fill = true, holes = false;

  void step() {
    while (left > 0 && link.send_credits() > 0) {
      auto slot = ring.acquire();
      if (!slot) return;
      const bool hole = holes && sequence % 3 == 1;
      const std::size_t size = std::min<std::uint64_t>(left, slot->payload().size());
      slot->resize(hole ? 0 : size);
      const auto bytes = slot->filled();
      for (std::size_t i = 0; fill && i < bytes.size(); i += 97) bytes[i] = pattern(offset + i);
      encode(FrameHeader{.kind = hole ? FrameKind::kHole : FrameKind::kData,
                         .sequence = sequence++,
                         .offset = offset,
                         .length = size},
             slot->header());
      offset += size;
      left -= size;
      link.post_send(std::move(*slot));
    }
  }
};

struct Receiver {
  Link& link;
  bool check = true;
  std::uint64_t offset = 0, sequence = 0;
  std::size_t wrong = 0;

  void start(Ring& ring) {
    while (auto slot = ring.acquire()) link.post_receive(std::move(*slot));
  }
  void take(Received got) {
    if (got.header.offset != offset || got.header.sequence != sequence++) ++wrong;
    const bool hole = got.header.kind == FrameKind::kHole;
    if (got.slot.size() != (hole ? 0 : got.header.length)) ++wrong;
    const auto bytes = got.slot.filled();
    for (std::size_t i = 0; check && i < bytes.size(); i += 97) wrong += bytes[i] != pattern(offset + i);
    offset += got.header.length;
    link.post_receive(std::move(got.slot));
  }
};

struct Seen {
  std::vector<std::string> control;
  bool closed = false;
};

// Takes all there is of a link. Without Catch's assertions, which are for one thread only.
void drain(Link& link, Seen& seen, Receiver* receiver = nullptr) {
  while (auto event = link.poll()) {
    if (auto* received = std::get_if<Received>(&*event)) {
      if (receiver == nullptr) throw Error(Status::kDamaged, "take events", "data that nobody asked for");
      receiver->take(std::move(*received));
    } else if (auto* control = std::get_if<Control>(&*event)) {
      seen.control.emplace_back(reinterpret_cast<const char*>(control->bytes.data()), control->bytes.size());
    } else if (std::holds_alternative<PeerClosed>(*event)) {
      seen.closed = true;
    }
  }
}

void say(Link& link, const std::string& text) {
  link.post_control(std::as_bytes(std::span(text.data(), text.size())));
}

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

TEST_CASE("rdma: nobody listens, no such device, no route, an address taken", "[rdma]") {
  Loop loop;
  const auto status_of = [&](const std::string& to, const std::string& port, const FabricOptions& options) {
    try {
      const auto dial = dial_rdma(loop, {to, port}, options);
      await(
          loop, [&] { return dial->poll() != nullptr; }, seconds(20));
    } catch (const Error& error) {
      UNSCOPED_INFO(error.what());
      return error.status();
    }
    return Status::kOk;
  };
  CHECK(status_of(host(), "1", {}) == Status::kNetwork);
  CHECK(status_of("127.0.0.1", "1", {}) == Status::kEndpoint);
  FabricOptions elsewhere;
  elsewhere.device = "nosuch0";
  std::string why_not;
  CHECK_FALSE(rdma_available(elsewhere, why_not));
  CHECK(why_not.find("nosuch0") != std::string::npos);
  CHECK(status_of(host(), "1", elsewhere) == Status::kEndpoint);
  CHECK(rdma_available({}, why_not));
  const auto acceptor = listen_rdma(loop, "0", {});
  try {
    (void)listen_rdma(loop, std::to_string(acceptor->port()), {});
    FAIL("two listeners on one port");
  } catch (const Error& error) {
    CHECK(error.status() == Status::kNetwork);
  }
}

TEST_CASE("rdma: by device, by GID index, from an address, over IPv6", "[rdma]") {
  Loop loop;
  FabricOptions by_device;
  by_device.device = device();
  const Both first = connect_both(loop, host(), by_device);
  CHECK(first.a->info().device == device());
  CHECK(first.a->info().fabric == Fabric::kRdma);
  CHECK(first.a->info().same_host);
  CHECK(first.a->info().peer == fmt::format("{}:{}", host(), first.acceptor->port()));
  CHECK(first.b->info().peer == first.a->info().local);
  FabricOptions from_address;
  from_address.address = host();
  (void)connect_both(loop, host(), from_address);
  for (const GidAddress& gid : gid_addresses(device())) {
    if (gid.address.ss_family != AF_INET) continue;
    FabricOptions by_gid;
    by_gid.gid_index = gid.index;
    (void)connect_both(loop, host(), by_gid);
  }
  const Both second = connect_both(loop, host(AF_INET6));
  CHECK(second.a->info().peer.front() == '[');
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

TEST_CASE("rdma: a stranger that is no rdpipe is refused", "[rdma]") {
  Loop loop;
  const auto acceptor = listen_rdma(loop, "0", {});
  Asker asker(acceptor->port());
  await(loop, [&] {
    loop.wake_at(Deadline::in(milliseconds(1)));
    REQUIRE(acceptor->poll() == nullptr);
    asker.advance({});
    return asker.refused;
  });
}

// Their requests were queued while the listening process was stopped, and some fail only when looked at.
TEST_CASE("rdma: those who asked and have gone leave the listener to the next", "[rdma]") {
  Loop loop;
  const auto acceptor = listen_rdma(loop, "0", {});
  for (int i = 0; i < 5; ++i) {
    Asker asker(acceptor->port());
    await(loop, [&] {
      loop.wake_at(Deadline::in(milliseconds(1)));
      asker.advance(encode_greeting({}));
      return asker.asked;
    });
  }
  const auto dial = dial_rdma(loop, {host(), std::to_string(acceptor->port())}, {});
  std::unique_ptr<Link> dialled, accepted;
  await(loop, [&] {
    if (!accepted) accepted = acceptor->poll();
    if (!dialled) dialled = dial->poll();
    return dialled && accepted;
  });
  CHECK(accepted->info().peer == dialled->info().local);
}

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

// For on-two-hosts: host a dials host b, moves data, and cuts the cable in a way that nobody is told of. Each
// end must find out by itself, idle (b) or with data under way (a).
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
