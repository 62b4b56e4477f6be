// One stream to several receivers, each on a thread of its own, over TCP within this host.
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "catch.h"
#include "ground/descriptor.h"
#include "io/loop.h"
#include "rdpipe/fabric_options.h"
#include "rdpipe/fan_out.h"
#include "session/session.h"
#include "transport/fabric.h"

using namespace rdpipe;
using namespace std::chrono_literals;

namespace {

constexpr auto kKey = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
constexpr auto kOtherKey = "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100";

Options tcp() {
  Options options;
  options.fabric = FabricUse::kTcp;
  options.connect_timeout = 10s;
  return options;
}

// Takes one stream, unless it is stopped.
class TestReceiver {
 public:
  explicit TestReceiver(const char* key = kKey, std::size_t slot_size = 0)
      : stop_(::eventfd(0, EFD_CLOEXEC)), thread_([this, key, slot_size] { run(key, slot_size); }) {
    address_ = {"localhost", port_.get_future().get()};
  }
  TestReceiver(const TestReceiver&) = delete;
  TestReceiver& operator=(const TestReceiver&) = delete;
  ~TestReceiver() { stop(); }

  [[nodiscard]] const Receiver& address() const { return address_; }
  // Call these when it has ended.
  void wait() { thread_.join(); }
  void stop() {
    const std::uint64_t one = 1;
    static_cast<void>(::write(stop_.get(), &one, sizeof one));
    if (thread_.joinable()) thread_.join();
  }
  [[nodiscard]] const std::string& bytes() const { return bytes_; }
  [[nodiscard]] Status status() const { return status_; }

 private:
  void run(const char* key, std::size_t slot_size) {
    try {
      Options options = tcp();
      options.slot_size = slot_size;
      options.interrupt_fd = stop_.get();
      options.on_interrupt = [] { throw Error(Status::kSignal, "", "stopped"); };
      Listener listener("0", key, options);
      port_.set_value(std::to_string(listener.port()));
      Connection connection = listener.accept();
      std::array<std::byte, 65536> block{};
      while (const std::size_t count = connection.read(block)) {
        bytes_.append(reinterpret_cast<const char*>(block.data()), count);
      }
    } catch (const Error& error) {
      status_ = error.status();
    }
  }

  Descriptor stop_;
  std::promise<std::string> port_;
  Receiver address_;
  std::string bytes_;
  Status status_ = Status::kOk;
  std::thread thread_;
};

// Has something to do before it agrees, and never comes to an end with that.
class PreparingReceiver {
 public:
  PreparingReceiver() {
    std::promise<std::uint16_t> port;
    thread_ = std::thread([this, &port] { run(port); });
    address_ = {"localhost", std::to_string(port.get_future().get())};
  }
  PreparingReceiver(const PreparingReceiver&) = delete;
  PreparingReceiver& operator=(const PreparingReceiver&) = delete;
  ~PreparingReceiver() { wait(); }

  [[nodiscard]] const Receiver& address() const { return address_; }
  void wait() {
    if (thread_.joinable()) thread_.join();
  }
  // What it was told.
  [[nodiscard]] const std::optional<Error>& error() const { return error_; }

 private:
  void run(std::promise<std::uint16_t>& port) {
    const Deadline limit = Deadline::in(20s);
    Loop loop;
    const auto acceptor = listen(loop, "0", fabric_options(tcp()), [](const std::string&) {});
    Lobby lobby(loop, *acceptor, Key(Secret(std::string_view(kKey))), [](const std::string&) {});
    port.set_value(acceptor->port());
    std::unique_ptr<Session> session;
    for (; !session && !limit.passed(); session = lobby.poll()) loop.wait(limit);
    if (!session) return;
    session->prepare();
    try {
      for (static_cast<void>(session->await_offer(loop, limit)); !limit.passed(); loop.wait(limit)) {
        while (const auto event = session->link().poll()) {
          if (const auto* control = std::get_if<Control>(&*event)) session->receive(*control);
        }
        static_cast<void>(session->next());
      }
    } catch (const Error& error) {
      error_ = error;
    }
  }

  Receiver address_;
  std::optional<Error> error_;
  std::thread thread_;
};

// A pipe that holds `text` and has ended.
Descriptor pipe_of(const std::string& text) {
  std::array<int, 2> ends{};
  REQUIRE(::pipe(ends.data()) == 0);
  REQUIRE(::write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  ::close(ends[1]);
  return Descriptor(ends[0]);
}

// Where nobody listens.
Receiver nobody() {
  const Listener listener("0", kKey, tcp());
  return {"localhost", std::to_string(listener.port())};
}

std::string usage_error(const std::vector<Receiver>& receivers, const FanOutOptions& fan_out,
                        const Options& options = tcp()) {
  const Descriptor pipe = pipe_of("");
  try {
    const FanOut refused(Input::descriptor(pipe.get(), "a pipe"), receivers, kKey, fan_out, options);
  } catch (const Error& error) {
    CHECK(error.status() == Status::kUsage);
    return error.what();
  }
  return "nothing was thrown";
}

}  // namespace

TEST_CASE("fan-out: all have what was read, in frames that the one with the smallest takes") {
  TestReceiver first, second(kKey, 4096), third;
  const std::string text(50'000, 'x');
  const Descriptor pipe = pipe_of(text);
  Options options = tcp();
  options.hash = "sha256";
  FanOut fan_out(Input::descriptor(pipe.get(), "a pipe"),
                 {first.address(), second.address(), third.address()}, kKey, {}, options);
  const FanOutReport report = fan_out.send();
  CHECK(!report.error);
  CHECK(report.stream.bytes == text.size());
  CHECK(report.stream.hash.size() == 64);
  CHECK(report.stream.elapsed < 2s);  // nobody sleeps on what is there
  REQUIRE(report.receivers.size() == 3);
  for (const ReceiverResult& one : report.receivers) {
    CHECK(!one.error);
    CHECK(one.result.bytes == text.size());
    CHECK(one.result.digest == report.stream.digest);
    CHECK(one.result.fabric == "TCP");
  }
  CHECK(report.receivers[1].name == name_of(second.address()));
  for (TestReceiver* receiver : {&first, &second, &third}) {
    receiver->wait();
    CHECK(receiver->status() == Status::kOk);
    CHECK(receiver->bytes() == text);
  }
}

TEST_CASE("fan-out: those who are not there, or have another key, are told of, and the others go on") {
  TestReceiver first;
  TestReceiver other(kOtherKey);
  const Descriptor pipe = pipe_of("hello");
  Options options = tcp();
  options.connect_timeout = 3s;
  std::vector<std::string> failed;
  FanOutOptions rules;
  rules.min_receivers = 1;
  rules.failed = [&failed](const ReceiverResult& receiver) { failed.push_back(receiver.name); };
  const Receiver absent = nobody();
  FanOut fan_out(Input::descriptor(pipe.get(), "a pipe"), {absent, first.address(), other.address()}, kKey,
                 rules, options);
  CHECK(failed == std::vector<std::string>{name_of(other.address()), name_of(absent)});
  const FanOutReport report = fan_out.send();
  CHECK(!report.error);
  REQUIRE(report.receivers[0].error);
  CHECK(report.receivers[0].error->status() == Status::kConnectTimeout);
  REQUIRE(report.receivers[2].error);
  CHECK(report.receivers[2].error->status() == Status::kAuthentication);
  first.wait();
  CHECK(first.bytes() == "hello");
}

TEST_CASE("fan-out: with too few at first nothing is read, and those who are there are told") {
  TestReceiver first;
  const Descriptor pipe = pipe_of("hello");
  Options options = tcp();
  options.connect_timeout = 2s;
  FanOut fan_out(Input::descriptor(pipe.get(), "a pipe"), {first.address(), nobody()}, kKey, {}, options);
  const FanOutReport report = fan_out.send();
  REQUIRE(report.error);
  CHECK(report.error->status() == Status::kConnectTimeout);
  CHECK(report.receivers[0].given_up);
  CHECK(!report.receivers[1].given_up);
  int left = 0;
  REQUIRE(::ioctl(pipe.get(), FIONREAD, &left) == 0);
  CHECK(left == 5);
  first.wait();
  CHECK(first.status() == Status::kConnectTimeout);
  CHECK(first.bytes().empty());
}

TEST_CASE("fan-out: one that prepares for ever keeps nobody waiting for ever") {
  TestReceiver first;
  PreparingReceiver stuck;
  const Descriptor pipe = pipe_of("hello");
  Options options = tcp();
  options.connect_timeout = 1s;
  FanOutOptions rules;
  rules.min_receivers = 1;
  const auto begin = Clock::now();
  FanOut fan_out(Input::descriptor(pipe.get(), "a pipe"), {first.address(), stuck.address()}, kKey, rules,
                 options);
  CHECK(Clock::now() - begin < 10s);
  const FanOutReport report = fan_out.send();
  CHECK(!report.error);
  REQUIRE(report.receivers[1].error);
  CHECK(report.receivers[1].error->status() == Status::kConnectTimeout);
  first.wait();
  CHECK(first.bytes() == "hello");
  stuck.wait();
  REQUIRE(stuck.error());
  CHECK_THAT(stuck.error()->what(), Catch::Contains("it was not ready in time"));
}

TEST_CASE("fan-out: one that has not agreed yet hears why nothing comes of it, too") {
  PreparingReceiver slow;
  const Descriptor pipe = pipe_of("hello");
  Options options = tcp();
  options.connect_timeout = 1s;
  options.timeout = 15s;
  FanOut fan_out(Input::descriptor(pipe.get(), "a pipe"), {slow.address(), nobody()}, kKey, {}, options);
  const FanOutReport report = fan_out.send();
  REQUIRE(report.error);
  CHECK(report.error->status() == Status::kConnectTimeout);
  CHECK(report.receivers[0].given_up);
  slow.wait();
  REQUIRE(slow.error());
  CHECK(slow.error()->from_peer());
  CHECK(slow.error()->status() == Status::kConnectTimeout);
  CHECK_THAT(slow.error()->what(), Catch::Contains("1 can commit and 2 must"));
}

TEST_CASE("fan-out: what makes no sense is refused before anything is tried") {
  const Receiver one{"localhost", "1"}, two{"localhost", "2"};
  CHECK_THAT(usage_error({}, {}), Catch::Contains("there are none"));
  CHECK_THAT(usage_error({one, one}, {}), Catch::Contains("localhost:1 is given twice"));
  FanOutOptions rules;
  rules.min_receivers = 3;
  CHECK_THAT(usage_error({one, two}, rules), Catch::Contains("3 of 2 must commit"));
  Options options = tcp();
  options.buffer_size = 1 << 20;
  options.start_write = 50;
  CHECK_THAT(usage_error({one, two}, {}, options), Catch::Contains("no watermarks"));
}
