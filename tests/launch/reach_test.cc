// Trying the addresses that the other end has listed: which one is taken, and what is said where none is.
#include "launch/reach.h"

#include "launch/doors.h"
#include "transport/dial.h"

using namespace rdpipe;

namespace {

const FabricOptions kTcp{.choice = FabricChoice::kTcp};

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::string peer_of(const Reached& reached) {
  return reached.session ? reached.session->link().info().peer : "nobody: " + reached.why_not;
}

// How reach() ends where a byte has come for the loop's interrupt.
Status interrupted(Loop& loop, int fd, const Contact& contact) {
  loop.interrupt_on(fd, [] { throw Error(Status::kSignal, "wait", "interrupted"); });
  Status status = Status::kOk;
  try {
    static_cast<void>(reach(loop, contact, Key(Secret(kOneKey)), kTcp));
  } catch (const Error& error) {
    CHECK(error.cause() == "interrupted");
    status = error.status();
  }
  loop.interrupt_on(-1, {});
  return status;
}

}  // namespace

TEST_CASE("of two that listen the first address is taken") {
  const Place place;
  Listener v4(kV4, place.port, kOneKey), v6(kV6, place.port, kOneKey);
  const bool v4_first = GENERATE(true, false);
  Loop loop;
  const auto order = v4_first ? std::vector{kV4, kV6} : std::vector{kV6, kV4};
  const Reached reached = reach(loop, place.contact(order), Key(Secret(kOneKey)), kTcp);
  CHECK(peer_of(reached) == (v4_first ? place.v4_text() : place.v6_text()));
  CHECK(reached.why_not == "--fabric=tcp");
  CHECK((v4_first ? v4 : v6).let_in(loop, reached));
  CHECK((v4_first ? v6 : v4).guests() == 0);
}

TEST_CASE("addresses where nobody listens are passed over") {
  const Place place;
  Listener v6(kV6, place.port, kOneKey);
  Loop loop;
  const Reached reached = reach(loop, place.contact({kV4, kV4, kV6, kV4}), Key(Secret(kOneKey)), kTcp);
  CHECK(peer_of(reached) == place.v6_text());
  CHECK(v6.let_in(loop, reached));
}

TEST_CASE("who does not know the key is passed over") {
  const Place place;
  Listener v4(kV4, place.port, kOtherKey), v6(kV6, place.port, kOneKey);
  Loop loop;
  const Reached reached = reach(loop, place.contact(), Key(Secret(kOneKey)), kTcp);
  CHECK(peer_of(reached) == place.v6_text());
  CHECK(v6.let_in(loop, reached));
  CHECK(v4.guests() == 0);
}

TEST_CASE("where nobody can be reached each address has its cause") {
  const Place place;
  Listener v4(kV4, place.port, kOtherKey);
  Loop loop;
  const Reached reached = reach(loop, place.contact(), Key(Secret(kOneKey)), kTcp);
  REQUIRE(!reached.session);
  CAPTURE(reached.why_not);
  CHECK(reached.why_not.starts_with("TCP: "));
  CHECK(has(reached.why_not, place.v4_text() + ": wrong key"));
  CHECK(has(reached.why_not, place.v6_text() + ": Connection refused"));
  CHECK(has(reached.why_not, "; "));
  CHECK(v4.guests() == 0);
}

TEST_CASE("what is no rdpipe is named and passed over") {
  const Place place;
  const bool speaks = GENERATE(true, false);
  const Stranger v4(place.v4.get(), speaks ? "HTTP/1.1 400 Bad Request\r\n\r\n" : "");
  const bool helped = GENERATE(true, false);
  std::optional<Listener> v6;
  if (helped) v6.emplace(kV6, place.port, kOneKey);
  Loop loop;
  const Reached reached = reach(loop, place.contact(), Key(Secret(kOneKey)), kTcp);
  if (helped) {
    CHECK(peer_of(reached) == place.v6_text());
    return;
  }
  REQUIRE(!reached.session);
  CAPTURE(reached.why_not);
  CHECK(has(reached.why_not, place.v4_text() + (speaks ? ": what answers there is not rdpipe"
                                                       : ": it closed the connection before the handshake")));
}

TEST_CASE("an address that takes no notice, or the connection and says nothing, leaves time for the next") {
  const bool connects = GENERATE(true, false);
  const Place place;
  std::optional<Crowd> crowd;
  if (connects) {
    REQUIRE(::listen(place.v4.get(), 8) == 0);
  } else {
    crowd.emplace(place.v4);
  }
  Listener v6(kV6, place.port, kOneKey);
  Loop loop;
  const Reached reached = reach(loop, place.contact(), Key(Secret(kOneKey)), kTcp);
  CHECK(peer_of(reached) == place.v6_text());
  CHECK(v6.let_in(loop, reached));
}

TEST_CASE("an address that never answers is given up in time") {
  const Place place;
  const Crowd crowd(place.v4);
  Loop loop;
  const auto begun = Clock::now();
  const Reached reached = reach(loop, place.contact(), Key(Secret(kOneKey)), kTcp);
  CHECK(Clock::now() - begun < std::chrono::seconds(10));  // 6 s, and what a busy host adds
  REQUIRE(!reached.session);
  CAPTURE(reached.why_not);
  CHECK(has(reached.why_not, place.v4_text() + ": no answer"));
  CHECK(has(reached.why_not, place.v6_text() + ": Connection refused"));
}

TEST_CASE("an address of the wrong kind is a cause, and nothing worse") {
  const Place place;
  Loop loop;
  FabricOptions options = kTcp;
  options.family = AddressFamily::kIpv4;
  const Reached reached = reach(loop, place.contact({kV6}), Key(Secret(kOneKey)), options);
  CHECK(!reached.session);
  CHECK(reached.why_not == "TCP: " + place.v6_text() + ": it is not an IPv4 address");
}

TEST_CASE("where there is nothing to try nobody is reached") {
  const Place place;
  Listener v4(kV4, place.port, kOneKey);
  Loop loop;
  CHECK(!reach(loop, place.contact({}), Key(Secret(kOneKey)), kTcp).session);
  Contact rdma_only = place.contact({kV4});
  rdma_only.tcp = false;
  const Reached reached = reach(loop, rdma_only, Key(Secret(kOneKey)), kTcp);
  CHECK(!reached.session);
  CHECK(!reached.why_not.empty());
}

TEST_CASE("a session over TCP says why it is not RDMA") {
  const Place place;
  Listener v4(kV4, place.port, kOneKey);
  std::string why;
  if (rdma_available({}, why)) why = "the other end has no RDMA device";
  Loop loop;
  const Reached reached = reach(loop, place.contact({kV4}), Key(Secret(kOneKey)), {});
  CHECK(peer_of(reached) == place.v4_text());
  CHECK(reached.why_not == why);
}

TEST_CASE("RDMA that was asked for and is not there is an error") {
  const Place place;
  Listener v4(kV4, place.port, kOneKey);
  Loop loop;
  Contact contact = place.contact({kV4});
  contact.rdma = true;
  try {
    static_cast<void>(reach(loop, contact, Key(Secret(kOneKey)), {.device = "no-such-device"}));
    FAIL("it was reached");
  } catch (const Error& error) {
    CHECK(error.status() == Status::kEndpoint);
    CHECK(has(error.cause(), "RDMA device"));
  }
  CHECK(v4.guests() == 0);
}

TEST_CASE("an interrupt ends the tries") {
  const Place place;
  const Descriptor interrupt(::eventfd(0, EFD_CLOEXEC));
  REQUIRE(interrupt.get() >= 0);
  Loop loop;
  std::optional<Crowd> crowd;
  Descriptor guest;
  std::thread presser;
  const auto press = [&] { return ::eventfd_write(interrupt.get(), 1) == 0; };
  if (GENERATE(true, false)) {  // while nobody answers
    crowd.emplace(place.v4);
    REQUIRE(press());
  } else {  // in a handshake
    REQUIRE(::listen(place.v4.get(), 8) == 0);
    presser = std::thread([&] {
      pollfd ready{.fd = place.v4.get(), .events = POLLIN, .revents = 0};
      if (::poll(&ready, 1, kTestMilliseconds) != 1) return;
      guest = Descriptor(::accept4(place.v4.get(), nullptr, nullptr, SOCK_CLOEXEC));
      ready.fd = guest.get();
      if (::poll(&ready, 1, kTestMilliseconds) == 1) press();  // it has begun to speak
    });
  }
  CHECK(interrupted(loop, interrupt.get(), place.contact({kV4})) == Status::kSignal);
  if (presser.joinable()) presser.join();
}
