// Finding and dialling over a real RDMA device, and listening.
#include <fmt/format.h>

#include <optional>

#include "catch.h"
#include "transport/rdma_endpoint.h"
#include "transport/rdma_links.h"

using namespace rdpipe;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

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

}  // namespace

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
