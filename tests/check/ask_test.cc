// Asking listeners on this host's loopback, and the whole check with a kernel of the test's making.
#include "check/ask.h"

#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "catch.h"
#include "check/checkup.h"
#include "check/kernel_tree.h"
#include "ground/descriptor.h"
#include "ground/error.h"
#include "session/session.h"
#include "transport/address.h"
#include "transport/dial.h"

using namespace rdpipe;
using std::chrono::seconds;

namespace {

constexpr const char* kHere = "127.0.0.1";

// An rdpipe that listens, on a thread of its own.
class Listening {
 public:
  Listening() {
    while (port_ == 0) std::this_thread::yield();
  }
  Listening(const Listening&) = delete;
  Listening& operator=(const Listening&) = delete;
  ~Listening() {
    done_ = true;
    loop_.load()->notify();
    notified_ = true;
    thread_.join();
  }
  [[nodiscard]] std::string port() const { return std::to_string(port_); }

 private:
  void run() {
    Loop loop;
    const auto acceptor = listen_tcp(loop, "0", {.choice = FabricChoice::kTcp, .address = kHere});
    Lobby lobby(loop, *acceptor, Key(Secret(std::string(64, '1'))), [](const std::string&) {});
    loop_ = &loop;
    port_ = acceptor->port();
    while (!done_) {
      static_cast<void>(lobby.poll());
      loop.wait();
    }
    while (!notified_) std::this_thread::yield();  // who notifies needs the loop
  }
  std::atomic<bool> done_ = false, notified_ = false;
  std::atomic<unsigned> port_ = 0;
  std::atomic<Loop*> loop_ = nullptr;
  std::thread thread_{[this] { run(); }};
};

// A socket that has a port, and refuses until it listens; nobody ever accepts.
struct Bound {
  Bound() {
    const auto where = resolve({kHere, "0"}, AddressFamily::kAny, Purpose::kBind).front();
    REQUIRE(::bind(socket.get(), where.get(), where.size) == 0);
  }
  void listen() const { REQUIRE(::listen(socket.get(), 4) == 0); }
  [[nodiscard]] std::string port() const { return std::to_string(local_address(socket.get()).port()); }
  Descriptor socket{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
};

Reply ask(const std::string& port) {
  Loop loop;
  return ask_over_tcp(loop, {kHere, port}, {}, Deadline::in(seconds(20)));
}

}  // namespace

TEST_CASE("an rdpipe is known by its answer, without a key, and goes on listening") {
  const Listening listening;
  for (int i = 0; i < 3; ++i) {
    const Reply reply = ask(listening.port());
    CHECK(reply.answer == Answer::kRdpipe);
    CHECK(reply.status == Status::kOk);
  }
}

TEST_CASE("nobody listens") {
  const Bound bound;
  const Reply reply = ask(bound.port());
  CHECK(reply.answer == Answer::kRefused);
  CHECK(reply.status == Status::kConnectTimeout);
}

TEST_CASE("what listens says nothing, or something else") {
  const Bound bound;
  bound.listen();
  CHECK(ask(bound.port()).answer == Answer::kStranger);
  std::thread stranger([&] {
    for (int i = 0; i < 2; ++i) {  // the first is the one that was told nothing
      const Descriptor accepted(::accept(bound.socket.get(), nullptr, nullptr));
      static_cast<void>(::send(accepted.get(), "SSH-2.0-OpenSSH_9.2p1\r\n", 23, MSG_NOSIGNAL));
    }
  });
  const auto began = Clock::now();
  const Reply reply = ask(bound.port());
  CHECK(reply.answer == Answer::kStranger);
  CHECK(reply.status == Status::kProtocol);
  CHECK(Clock::now() - began < seconds(20));
  stranger.join();
}

TEST_CASE("the whole check of a host without a device, and the way to an rdpipe there") {
  const KernelTree tree;
  const Listening listening;
  Loop loop;
  CheckRequest request;
  request.roots = tree.roots();
  const CheckReport alone = run_checks(loop, request);
  CHECK(alone.status() == Status::kEndpoint);
  CHECK_FALSE(alone.rdma());
  CHECK(alone.tcp == TcpUse::kUnknown);
  CHECK(alone.summary == "RDMA: no; TCP only");
  // This machine may have a device that the tree does not show: 127.0.0.1 is none of its addresses.
  request.peer = {kHere, listening.port()};
  const CheckReport there = run_checks(loop, request);
  CHECK(there.status() == Status::kEndpoint);
  CHECK(there.tcp == TcpUse::kYes);
  CHECK(contains(there.summary, "TCP only"));
  CHECK(about(there.findings, "name").text == kHere);
  CHECK(about(there.findings, "tcp").health == Health::kOk);
}

TEST_CASE("the whole check towards a name that nobody knows") {
  const KernelTree tree;
  Loop loop;
  CheckRequest request;
  request.roots = tree.roots();
  request.peer = {"no-such-host.invalid", ""};
  const CheckReport report = run_checks(loop, request);
  CHECK(about(report.findings, "name").health == Health::kFail);
  CHECK(report.tcp == TcpUse::kNo);
  request.peer = {kHere, "nonsense-port"};
  CHECK_THROWS_AS(run_checks(loop, request), Error);
}
