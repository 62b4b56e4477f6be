// What is TCP's own: hostile bytes, ends of connections, liveness, addresses.
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "ground/descriptor.h"
#include "links.h"
#include "transport/address.h"
#include "transport/frame_reader.h"
#include "transport/tcp.h"
#include "wire/integers.h"

namespace rdpipe {
namespace {

// A link, and a plain socket at the other end of it.
struct RawPeer {
  RawPeer() {
    const auto acceptor = listen_tcp(loop, "0", {.address = "127.0.0.1"});
    socket = dial(acceptor->port());
    end.link = await(loop, *acceptor);
  }
  static Descriptor dial(std::uint16_t port) {
    Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    return socket;
  }
  void write(const std::string& bytes) const {
    REQUIRE(::write(socket.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  }
  LinkEvent next() {
    const auto limit = Deadline::in(kTestLimit);
    for (;;) {
      if (auto event = end.link->poll()) return std::move(*event);
      REQUIRE(!limit.passed());
      loop.wait(limit);
    }
  }
  Status failure() {
    try {
      for (;;) static_cast<void>(next());
    } catch (const Error& error) {
      return error.status();
    }
  }

  Loop loop;
  Descriptor socket;
  End end{RingShape{4_KiB, 4}};
};

std::string frame(FrameHeader header, const std::string& payload, std::uint32_t length) {
  const be32 word = length;
  std::array<std::byte, kFrameHeaderSize> bytes;
  encode(header, bytes);
  return text_of(std::as_bytes(std::span(&word, 1))) + text_of(bytes) + payload;
}
std::string frame(FrameHeader header, const std::string& payload) {
  return frame(header, payload, static_cast<std::uint32_t>(kFrameHeaderSize + payload.size()));
}

TEST_CASE("hostile bytes are damage") {
  RawPeer peer;
  const std::string bytes = GENERATE(
      std::string(200, '\xff'), std::string(200, '\0'),
      "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" + std::string(99, ' '),
      frame({.kind = FrameKind::kControl}, "", 63),
      frame({.kind = FrameKind::kControl}, "x", 64 + (4 << 20) + 1), frame({.kind = FrameKind::kControl}, ""),
      frame({.kind = FrameKind::kControl}, std::string(1025, 'x')), frame({.kind = FrameKind::kCredit}, "x"),
      frame({.kind = static_cast<FrameKind>(77)}, ""),
      frame({.kind = static_cast<FrameKind>(77), .flags = kFlagIgnorable}, std::string(1025, 'x')),
      frame({.kind = FrameKind::kData}, "x"), frame({.kind = FrameKind::kHole}, ""));
  peer.write(bytes);
  REQUIRE(peer.failure() == Status::kDamaged);
}

TEST_CASE("a posted slot is no credit before the peer was told") {
  RawPeer peer;
  peer.end.post_receives(1);
  SECTION("not told") {
    peer.write(frame({.kind = FrameKind::kData}, "x"));
    // Looked at before anything could be written: the frame came without a credit.
    REQUIRE(peer.end.link->send_credits() == 0);
  }
  SECTION("larger than a slot") {
    REQUIRE(!peer.end.link->poll());
    peer.write(frame({.kind = FrameKind::kData}, std::string(4097, 'x')));
    REQUIRE(peer.failure() == Status::kDamaged);
  }
  SECTION("more than granted") {
    REQUIRE(!peer.end.link->poll());
    peer.write(frame({.kind = FrameKind::kData}, "x") + frame({.kind = FrameKind::kData}, "y"));
    REQUIRE(peer.failure() == Status::kDamaged);
  }
  SECTION("a hole with a payload") {
    REQUIRE(!peer.end.link->poll());
    peer.write(frame({.kind = FrameKind::kHole}, "x"));
    REQUIRE(peer.failure() == Status::kDamaged);
  }
}

TEST_CASE("frames cut anywhere are put together again") {
  RawPeer peer;
  peer.end.post_receives(3);
  REQUIRE(!peer.end.link->poll());
  const std::string big(4096, 'b');
  const std::string all =
      frame({.kind = FrameKind::kControl}, "hello") + frame({.kind = FrameKind::kData}, big) +
      frame({.kind = static_cast<FrameKind>(77), .flags = kFlagIgnorable}, "skipped") +
      frame({.kind = FrameKind::kHole, .length = 5}, "") +
      frame({.kind = FrameKind::kCredit, .data_credits = 3}, "") +
      frame({.kind = FrameKind::kData}, "small") + frame({.kind = FrameKind::kControl}, "end");
  const std::size_t piece = GENERATE(std::size_t{7}, std::size_t{67}, std::size_t{68}, std::size_t{69},
                                     std::size_t{4000}, std::size_t{100000});
  std::vector<LinkEvent> events;
  for (std::size_t at = 0; at < all.size(); at += piece) {
    peer.write(all.substr(at, piece));
    peer.loop.wait(Deadline::in(kTestLimit));
    while (auto event = peer.end.link->poll()) events.push_back(std::move(*event));
  }
  while (events.size() < 5) events.push_back(peer.next());
  REQUIRE(text_of(std::get<Control>(events[0]).bytes) == "hello");
  REQUIRE(text_of(std::get<Received>(events[1]).slot.filled()) == big);
  REQUIRE(std::get<Received>(events[2]).header.length == 5);
  REQUIRE(text_of(std::get<Received>(events[3]).slot.filled()) == "small");
  REQUIRE(text_of(std::get<Control>(events[4]).bytes) == "end");
  REQUIRE(peer.end.link->send_credits() == 3);
}

TEST_CASE("the end of the connection is good between frames only") {
  RawPeer peer;
  const std::string hello = frame({.kind = FrameKind::kControl}, "hello");
  SECTION("between frames") {
    peer.write(hello);
    peer.socket.reset();
    REQUIRE(std::holds_alternative<Control>(peer.next()));
    REQUIRE(std::holds_alternative<PeerClosed>(peer.next()));
    REQUIRE(!peer.end.link->poll());
  }
  SECTION("inside one, after the whole one before") {
    peer.write(hello + hello.substr(0, GENERATE(std::size_t{1}, std::size_t{68}, std::size_t{70})));
    peer.socket.reset();
    REQUIRE(std::holds_alternative<Control>(peer.next()));
    REQUIRE(peer.failure() == Status::kNetwork);
  }
  SECTION("reset") {
    const linger reset{1, 0};
    ::setsockopt(peer.socket.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    peer.socket.reset();
    REQUIRE(peer.failure() == Status::kNetwork);
  }
  SECTION("reset while this end writes, after a whole frame") {
    peer.write(hello);
    const linger reset{1, 0};
    ::setsockopt(peer.socket.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    peer.socket.reset();
    peer.end.control("anybody there?");
    REQUIRE(std::holds_alternative<Control>(peer.next()));
    REQUIRE(peer.failure() == Status::kNetwork);
  }
}

TEST_CASE("what was posted before close() leaves, and so does the end, although nobody polls again") {
  RawPeer peer;
  peer.end.control("last words");
  peer.end.link->close();
  peer.end.link.reset();
  std::string heard;
  std::array<char, 1000> bytes;
  ssize_t count = 0;
  while ((count = ::read(peer.socket.get(), bytes.data(), bytes.size())) > 0) {
    heard.append(bytes.data(), static_cast<std::size_t>(count));
  }
  REQUIRE(count == 0);  // and not a reset
  REQUIRE(heard.size() == kFramePrefixSize + 10);
  REQUIRE(heard.substr(kFramePrefixSize) == "last words");
}

TEST_CASE("closing delivers everything to a slow reader") {
  RawPeer peer;
  peer.write(frame({.kind = FrameKind::kCredit, .data_credits = 4000}, ""));
  const auto limit = Deadline::in(kTestLimit);
  constexpr std::size_t kFrames = 4000;  // 16 MiB: more than the socket buffers hold
  std::size_t received = 0;
  std::thread reader([&] {
    std::vector<char> bytes(10000);
    for (ssize_t n = 1; n > 0;) {
      n = ::read(peer.socket.get(), bytes.data(), bytes.size());
      if (n > 0) received += static_cast<std::size_t>(n);
    }
  });
  for (std::size_t sent = 0; sent < kFrames;) {
    while (peer.end.link->poll()) continue;
    while (sent < kFrames && peer.end.link->send_credits() > 0 && peer.end.ring.free_slots() > 0) {
      peer.end.send(sent++, std::string(4096, 'x'));
    }
    if (limit.passed()) break;
    peer.loop.wait(limit);
  }
  peer.end.link->close();
  for (;;) {
    while (peer.end.link->poll()) continue;
    if (peer.end.link->drained() || limit.passed()) break;
    peer.loop.wait(limit);
  }
  reader.join();
  REQUIRE(received == kFrames * (kFramePrefixSize + 4096));
  peer.socket.reset();
  REQUIRE(std::holds_alternative<PeerClosed>(peer.next()));
}

TEST_CASE("a peer that is alive but does not read is never taken for dead") {
  RawPeer peer;
  peer.end.link->set_keep_alive(std::chrono::seconds(1));
  peer.write(frame({.kind = FrameKind::kCredit, .data_credits = 65535}, ""));
  const auto limit = Deadline::in(std::chrono::seconds(4));
  std::size_t sent = 0;
  while (!limit.passed()) {
    while (peer.end.link->poll()) continue;
    while (peer.end.link->send_credits() > 0 && peer.end.ring.free_slots() > 0) {
      peer.end.send(sent++, std::string(4096, 'x'));
    }
    peer.loop.wait(limit);
  }
  REQUIRE(!peer.end.link->drained());  // it was full all the time
}

// The kernel's keep-alive does nothing while the kernel has something to send.
TEST_CASE("a full peer is looked at also when this end has written everything") {
  RawPeer peer;
  peer.end.link->set_keep_alive(std::chrono::seconds(1));
  peer.write(frame({.kind = FrameKind::kCredit, .data_credits = 4000}, ""));
  const auto limit = Deadline::in(kTestLimit);
  constexpr std::size_t kFrames = 64;  // more than the peer's buffer takes, less than both buffers
  for (std::size_t sent = 0; sent < kFrames || !peer.end.link->drained();) {
    while (peer.end.link->poll()) continue;
    while (sent < kFrames && peer.end.link->send_credits() > 0 && peer.end.ring.free_slots() > 0) {
      peer.end.send(sent++, std::string(4096, 'x'));
    }
    REQUIRE(!limit.passed());
    peer.loop.wait(limit);
  }
  for (int looks = 0; looks < 8; ++looks) {  // a quarter of a second each
    REQUIRE(!peer.end.link->poll());
    const auto begun = Clock::now();
    peer.loop.wait(Deadline::in(std::chrono::seconds(5)));
    REQUIRE(Clock::now() - begun < std::chrono::seconds(4));
  }
}

TEST_CASE("silent connections are accepted, and cost little each") {
  Loop loop;
  const auto acceptor = listen_tcp(loop, "0", {.address = "127.0.0.1"});
  std::vector<Descriptor> sockets;
  std::vector<std::unique_ptr<Link>> links;
  const auto kib_in_use = [] {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
  };
  const long before = kib_in_use();
  for (int i = 0; i < 200; ++i) sockets.push_back(RawPeer::dial(acceptor->port()));
  while (links.size() < 200) links.push_back(await(loop, *acceptor));
  for (const auto& link : links) REQUIRE(!link->poll());
  REQUIRE(kib_in_use() - before < 200 * 64);
  REQUIRE(!acceptor->poll());
}

TEST_CASE("accepting survives running out of descriptors") {
  Loop loop;
  const auto acceptor = listen_tcp(loop, "0", {.address = "127.0.0.1"});
  const Descriptor waiting = RawPeer::dial(acceptor->port());
  rlimit limit{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &limit) == 0);
  const rlimit none{3, limit.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  std::unique_ptr<Link> link;
  for (int i = 0; i < 3 && !link; ++i) link = acceptor->poll();
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &limit) == 0);
  REQUIRE(!link);
  REQUIRE(await(loop, *acceptor));
}

TEST_CASE("a port in use says so") {
  Loop loop;
  const auto acceptor = listen_tcp(loop, "0", {});
  const std::string port = std::to_string(acceptor->port());
  REQUIRE_THROWS_WITH(listen_tcp(loop, port, {}), "listen on port " + port + ": Address already in use");
}

TEST_CASE("one listener takes IPv4 and IPv6, and -4 and -6 take one") {
  Loop loop;
  const auto try_host = [&](Acceptor& acceptor, const std::string& host) -> std::string {
    try {
      const auto dial = dial_tcp(loop, {host, std::to_string(acceptor.port())}, {});
      const auto link = await(loop, *dial);
      const auto accepted = await(loop, acceptor);
      REQUIRE(link->info().same_host);
      REQUIRE(link->info().peer == accepted->info().local);
      return link->info().peer.substr(0, link->info().peer.rfind(':'));
    } catch (const Error& error) {
      return error.cause();
    }
  };
  const auto any = listen_tcp(loop, "0", {});
  REQUIRE(try_host(*any, "127.0.0.1") == "127.0.0.1");
  REQUIRE(try_host(*any, "::1") == "[::1]");
  const auto v4 = listen_tcp(loop, "0", {.family = AddressFamily::kIpv4});
  REQUIRE(try_host(*v4, "127.0.0.1") == "127.0.0.1");
  REQUIRE(try_host(*v4, "::1") == "Connection refused");
  REQUIRE(try_host(*v4, "localhost") == "127.0.0.1");
  const auto v6 = listen_tcp(loop, "0", {.family = AddressFamily::kIpv6});
  REQUIRE(try_host(*v6, "::1") == "[::1]");
  REQUIRE(try_host(*v6, "127.0.0.1") == "Connection refused");
}

TEST_CASE("a local address leaves those of the peer's that it can reach") {
  Loop loop;
  const auto acceptor = listen_tcp(loop, "0", {});
  const PeerAddress both{"", std::to_string(acceptor->port())};  // ::1, then 127.0.0.1
  const std::string local = GENERATE("127.0.0.1", "::1");
  const auto dial = dial_tcp(loop, both, {.address = local});
  const auto link = await(loop, *dial);
  REQUIRE(link->info().local.find(local) != std::string::npos);
}

TEST_CASE("a dial that cannot succeed says why") {
  Loop loop;
  const auto status = [&](const PeerAddress& peer, const FabricOptions& options = {}) {
    try {
      const auto dial = dial_tcp(loop, peer, options);
      static_cast<void>(await(loop, *dial));
      return Status::kOk;
    } catch (const Error& error) {
      return error.status();
    }
  };
  REQUIRE(status({"127.0.0.1", "99999"}) == Status::kUsage);
  REQUIRE(status({"127.0.0.1", "0"}) == Status::kUsage);
  REQUIRE(status({"127.0.0.1", "no-such-service"}) == Status::kUsage);
  REQUIRE(status({"127.0.0.1", " 70000"}) == Status::kUsage);
  REQUIRE(status({"127.0.0.1", "-65000"}) == Status::kUsage);
  REQUIRE(status({"not a host", "1"}) == Status::kEndpoint);
  const TcpAcceptor refusing(loop, "0", {});  // bound, so that no other program listens there
  REQUIRE(status({"127.0.0.1", std::to_string(refusing.port())}) == Status::kNetwork);
  REQUIRE(status({"127.0.0.1", "1"}, {.address = "192.0.2.1"}) == Status::kEndpoint);
  REQUIRE(status({"127.0.0.1", "1"}, {.address = "::1"}) == Status::kEndpoint);
}

TEST_CASE("IPv6 literals are bracketed for people") {
  REQUIRE(endpoint_text({"::1", "12345"}) == "[::1]:12345");
  REQUIRE(endpoint_text({"db2", "12345"}) == "db2:12345");
}

}  // namespace
}  // namespace rdpipe
