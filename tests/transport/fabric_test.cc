#include "transport/fabric.h"

#include <thread>

#include "links.h"
#include "transport/tcp.h"

namespace rdpipe {
namespace {

const FabricOptions kTcpOnly{.choice = FabricChoice::kTcp};

std::unique_ptr<Link> connect_tcp(Loop& loop, const PeerAddress& peer, Nanoseconds limit) {
  return connect(loop, peer, kTcpOnly, Deadline::in(limit),
                 [](const std::string&) { FAIL("TCP was asked for"); });
}

TEST_CASE("connecting waits for a listener that comes later") {
  Loop loop;
  TcpAcceptor acceptor(loop, "0", {});  // refuses until it is started
  const PeerAddress peer{"localhost", std::to_string(acceptor.port())};
  Fabric fabric{};
  std::thread connecting([&] {
    Loop own;
    const auto link = connect_tcp(own, peer, kTestLimit);
    fabric = link->info().fabric;
    link->close();
    while (!link->poll()) own.wait(Deadline::in(kTestLimit));  // PeerClosed
  });
  // Refused at least once, as nothing listens yet; how often does not matter.
  CHECK_THROWS_AS(connect_tcp(loop, peer, std::chrono::milliseconds(50)), Error);
  acceptor.start();
  const auto accepted = await(loop, acceptor);
  accepted->close();
  while (!accepted->poll()) loop.wait(Deadline::in(kTestLimit));
  connecting.join();
  REQUIRE(fabric == Fabric::kTcp);
}

TEST_CASE("at the deadline the error says what was last answered") {
  Loop loop;
  const TcpAcceptor refusing(loop, "0", {});
  const std::string port = std::to_string(refusing.port());
  try {
    static_cast<void>(connect_tcp(loop, {"127.0.0.1", port}, std::chrono::milliseconds(300)));
    FAIL("connected");
  } catch (const Error& error) {
    REQUIRE(error.status() == Status::kConnectTimeout);
    REQUIRE(error.what() == "connect to 127.0.0.1:" + port + ": Connection refused");
    REQUIRE(error.hint().find("taken by another sender") != std::string::npos);
  }
}

TEST_CASE("an unknown host fails at once, whatever the deadline") {
  Loop loop;
  try {
    static_cast<void>(connect_tcp(loop, {"not a host", "1"}, std::chrono::hours(1)));
    FAIL("connected");
  } catch (const Error& error) {
    REQUIRE(error.status() == Status::kEndpoint);
  }
}

TEST_CASE("a device that is not there fails at once") {
  Loop loop;
  FabricOptions options;
  options.device = "no_such_device";
  const auto silent = [](const std::string&) {};
  REQUIRE_THROWS_AS(connect(loop, {"127.0.0.1", "1"}, options, Deadline::in(kTestLimit), silent), Error);
  REQUIRE_THROWS_AS(listen(loop, "0", options, silent), Error);
}

TEST_CASE("listening under auto chooses one port, and says why where it is TCP alone") {
  Loop loop;
  std::string said;
  const auto acceptor = listen(loop, "0", {}, [&](const std::string& text) { said = text; });
  REQUIRE(acceptor->port() != 0);
  const bool tcp_alone = acceptor->describe() == "TCP";
  REQUIRE(tcp_alone == (said.find("using TCP: ") == 0));
}

}  // namespace
}  // namespace rdpipe
