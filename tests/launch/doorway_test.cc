// Where a doorway listens: on a port of its range that nobody has, and what it says of it.
#include <set>

#include "launch/addresses.h"
#include "launch/doors.h"

using namespace rdpipe;

namespace {

// Ports in a row, kept for the test; those that listen are taken.
struct Row {
  explicit Row(unsigned size) {
    for (int tries = 0; sockets.size() < size; ++tries) {
      REQUIRE(tries < 1000);
      sockets.clear();
      for (unsigned i = 0; i < size; ++i) {
        auto next = bound_socket(kV4, i == 0 ? 0 : low + i);
        if (!next) break;
        if (i == 0) low = local_address(next.get()).port();
        sockets.push_back(std::move(next));
      }
    }
  }
  void take(std::size_t index) const { REQUIRE(::listen(sockets[index].get(), 1) == 0); }
  [[nodiscard]] PortRange range() const {
    return {low, static_cast<std::uint16_t>(low + sockets.size() - 1)};
  }

  std::vector<Descriptor> sockets;
  std::uint16_t low = 0;
};

std::unique_ptr<Doorway> open_door(Loop& loop, PortRange range) {
  return std::make_unique<Doorway>(loop, range, Key(Secret(kOneKey)), tcp_at(kV4));
}

std::uint16_t port_of(const Doorway& door) { return door.contact(tcp_at(kV4), kV4, "").port; }

// Why no doorway could be had.
Error refusal(Loop& loop, PortRange range, const FabricOptions& options) {
  try {
    const Doorway door(loop, range, Key(Secret(kOneKey)), options);
  } catch (const Error& error) {
    return error;
  }
  return {Status::kOk, "", "it listens"};
}

}  // namespace

TEST_CASE("a doorway says where it is") {
  Loop loop;
  const auto door = open_door(loop, {});
  const Contact named = door->contact(tcp_at(kV4), "db2.example", "127.0.0.1");
  CHECK(named.port != 0);
  CHECK(named.addresses == std::vector<std::string>{"db2.example"});
  CHECK(named.tcp);
  CHECK(!named.rdma);
  const std::string known = GENERATE("", "127.0.0.1", "::1");
  const auto family = GENERATE(AddressFamily::kAny, AddressFamily::kIpv4, AddressFamily::kIpv6);
  const Contact any = door->contact({.choice = FabricChoice::kTcp, .family = family}, "", known);
  CHECK(any.addresses == own_addresses(family, known));
  CHECK(any.port == named.port);
}

TEST_CASE("doorways on any port do not clash") {
  Loop loop;
  std::vector<std::unique_ptr<Doorway>> doors;
  std::set<std::uint16_t> ports;
  for (int i = 0; i < 10; ++i) {
    doors.push_back(open_door(loop, {}));
    ports.insert(port_of(*doors.back()));
  }
  CHECK(ports.size() == doors.size());
}

TEST_CASE("taken ports of a range are passed over, wherever they are") {
  const Row row(3);
  const std::size_t free = GENERATE(0U, 1U, 2U);
  for (std::size_t i = 0; i < row.sockets.size(); ++i) {
    if (i != free) row.take(i);
  }
  Loop loop;
  // It begins anywhere.
  for (int i = 0; i < 10; ++i) REQUIRE(port_of(*open_door(loop, row.range())) == row.low + free);
}

TEST_CASE("doorways share a range until it is used up") {
  const Row row(3);
  Loop loop;
  std::vector<std::unique_ptr<Doorway>> doors;
  std::set<std::uint16_t> ports;
  for (int i = 0; i < 3; ++i) {
    doors.push_back(open_door(loop, row.range()));
    ports.insert(port_of(*doors.back()));
  }
  CHECK(ports.size() == 3);
  CHECK(*ports.begin() == row.low);
  CHECK(*ports.rbegin() == row.range().high);

  const Error error = refusal(loop, row.range(), tcp_at(kV4));
  CHECK(error.status() == Status::kNetwork);
  CHECK(error.cause() == errno_text(EADDRINUSE));
  CHECK(error.attempt().starts_with("listen on port "));

  const std::uint16_t left = port_of(*doors[1]);
  doors.erase(doors.begin() + 1);
  CHECK(port_of(*open_door(loop, row.range())) == left);
}

TEST_CASE("a range of one port is that port or nothing") {
  const Row row(1);
  Loop loop;
  CHECK(port_of(*open_door(loop, row.range())) == row.low);
  row.take(0);
  const Error error = refusal(loop, row.range(), tcp_at(kV4));
  CHECK(error.status() == Status::kNetwork);
  CHECK(error.attempt() == "listen on port " + std::to_string(row.low) + " of 127.0.0.1");
}

TEST_CASE("what no other port can help is said at once") {
  const Row row(3);
  Loop loop;
  CHECK(refusal(loop, row.range(), {.device = "no-such-device"}).status() == Status::kEndpoint);
  const FabricOptions other_family{
      .choice = FabricChoice::kTcp, .family = AddressFamily::kIpv6, .address = kV4};
  const Error error = refusal(loop, row.range(), other_family);
  CHECK(error.status() == Status::kEndpoint);
  CHECK(error.cause() == "it is not an IPv6 address");
}
