// Frames through two descriptors of whatever kind: pipes that block or not, sockets.
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <thread>

#include "catch.h"
#include "ground/error.h"
#include "launch/pipe_stream.h"
#include "launch/relay.h"
#include "transport/link.h"
#include "transport/tcp_link.h"

using namespace rdpipe;

namespace {

constexpr auto kTestLimit = std::chrono::seconds(20);

struct TwoEnds {
  Descriptor a_in, a_out, b_in, b_out;
};

TwoEnds pipes(int flags) {
  std::array<int, 2> there{}, back{};
  REQUIRE(::pipe2(there.data(), O_CLOEXEC | flags) == 0);
  REQUIRE(::pipe2(back.data(), O_CLOEXEC | flags) == 0);
  return {Descriptor(back[0]), Descriptor(there[1]), Descriptor(there[0]), Descriptor(back[1])};
}

// Each end's two descriptors are one socket, as sshd makes them.
TwoEnds sockets() {
  std::array<int, 2> ends{};
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
  return {Descriptor(::dup(ends[0])), Descriptor(ends[0]), Descriptor(::dup(ends[1])), Descriptor(ends[1])};
}

LinkEvent next(Loop& loop, Link& from, Link& other) {
  const auto limit = Deadline::in(kTestLimit);
  for (;;) {
    static_cast<void>(other.poll());
    if (auto event = from.poll()) return std::move(*event);
    REQUIRE(!limit.passed());
    loop.wait(limit);
  }
}

void check_both_ways(TwoEnds ends) {
  Loop loop;
  TcpLink a(loop, std::make_unique<PipeStream>(loop, std::move(ends.a_in), std::move(ends.a_out), "b"));
  TcpLink b(loop, std::make_unique<PipeStream>(loop, std::move(ends.b_in), std::move(ends.b_out), "a"));
  // More than a pipe holds.
  const std::vector<std::byte> bytes(1000, std::byte{7});
  constexpr int kFrames = 400;
  for (int i = 0; i < kFrames; ++i) a.post_control(bytes);
  for (int i = 0; i < kFrames; ++i) CHECK(std::get<Control>(next(loop, b, a)).bytes == bytes);
  b.post_control(bytes);
  CHECK(std::get<Control>(next(loop, a, b)).bytes == bytes);
  a.close();
  CHECK(std::holds_alternative<PeerClosed>(next(loop, b, a)));
  b.close();
  CHECK(std::holds_alternative<PeerClosed>(next(loop, a, b)));
  CHECK(a.drained());
  CHECK(b.drained());
}

}  // namespace

TEST_CASE("frames go through pipes that do not block") { check_both_ways(pipes(O_NONBLOCK)); }
TEST_CASE("frames go through pipes that somebody else opened") { check_both_ways(pipes(0)); }
TEST_CASE("frames go through a socket that is both descriptors") { check_both_ways(sockets()); }

TEST_CASE("pipes of somebody else keep blocking") {
  TwoEnds ends = pipes(0);
  const Descriptor shared(::dup(ends.b_in.get()));
  Loop loop;
  const PipeStream stream(loop, std::move(ends.b_in), std::move(ends.b_out), "a");
  CHECK((::fcntl(shared.get(), F_GETFL) & O_NONBLOCK) == 0);
}

TEST_CASE("a relay passes bytes and ends on") {
  TwoEnds left = pipes(O_NONBLOCK), right = pipes(O_NONBLOCK);
  std::thread between([&] {
    Loop loop;
    relay(loop, {std::move(left.b_in), std::move(left.b_out)},
          {std::move(right.a_in), std::move(right.a_out)});
  });
  const auto pass = [](Descriptor& from, Descriptor& to) {
    REQUIRE(::fcntl(to.get(), F_SETFL, 0) == 0);
    REQUIRE(::write(from.get(), "hello", 5) == 5);
    std::array<char, 8> got{};
    CHECK(::read(to.get(), got.data(), got.size()) == 5);
    from.reset();
    CHECK(::read(to.get(), got.data(), got.size()) == 0);
  };
  pass(left.a_out, right.b_in);
  pass(right.b_out, left.a_in);
  between.join();
}
