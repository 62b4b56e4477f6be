#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <thread>

#include "catch.h"
#include "ground/await_ready.h"
#include "ground/deadline.h"
#include "ground/descriptor.h"
#include "ground/error.h"
#include "ground/secret.h"
#include "ground/units.h"

using namespace rdpipe;

TEST_CASE("an error says attempt and cause in one line") {
  const Error error(Status::kFileIo, "store 'out'", "No space left on device", "make room");
  CHECK(std::string(error.what()) == "store 'out': No space left on device");
  CHECK(error.status() == Status::kFileIo);
  CHECK(error.hint() == "make room");
  CHECK(std::string(Error(Status::kUsage, "", "KEY is missing").what()) == "KEY is missing");
}

TEST_CASE("each checker understands its convention") {
  errno = ENOENT;
  CHECK_THROWS_WITH(check(-1, Status::kEndpoint, "open"), "open: No such file or directory");
  CHECK_THROWS_WITH(check_value(EIO, Status::kFileIo, "read"), "read: Input/output error");
  CHECK_THROWS_WITH(check_negative(-EPERM, Status::kMemory, "pin"), "pin: Operation not permitted");
  CHECK(check(3, Status::kEndpoint, "open") == 3);
  CHECK(check_negative(7, Status::kEndpoint, "open") == 7);
}

TEST_CASE("a descriptor is awaited until it has something, its end included, or the time is up") {
  std::array<int, 2> ends{};
  REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
  const Descriptor reader(ends[0]);
  Descriptor writer(ends[1]);
  CHECK(await_ready(reader.get(), POLLIN, Deadline::now()) == 0);
  CHECK(await_ready(writer.get(), POLLOUT, Deadline::never()) == POLLOUT);
  REQUIRE(::write(writer.get(), "x", 1) == 1);
  CHECK(await_ready(reader.get(), POLLIN, Deadline::never()) == POLLIN);
  CHECK(await_ready(reader.get(), 0, Deadline::now()) == 0);
  writer.reset();
  CHECK(await_ready(reader.get(), 0, Deadline::now()) == POLLHUP);
  CHECK(await_ready(-1, POLLIN, Deadline::in(std::chrono::milliseconds(20))) == 0);
}

TEST_CASE("a signal does not end waiting for a descriptor") {
  std::array<int, 2> ends{};
  REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
  const Descriptor reader(ends[0]);
  Descriptor writer(ends[1]);
  struct sigaction heard {};
  struct sigaction before {};
  heard.sa_handler = [](int) {};
  REQUIRE(::sigaction(SIGUSR1, &heard, &before) == 0);
  const pthread_t self = ::pthread_self();
  static constexpr auto kWait = std::chrono::milliseconds(200);
  std::jthread disturber([self, &writer] {
    for (int i = 0; i < 3; ++i) {
      std::this_thread::sleep_for(kWait / 8);
      ::pthread_kill(self, SIGUSR1);
    }
    std::this_thread::sleep_for(kWait);
    ::pthread_kill(self, SIGUSR1);
    writer.reset();
  });
  const auto begin = Clock::now();
  CHECK(await_ready(reader.get(), POLLIN, Deadline::in(kWait)) == 0);
  CHECK(Clock::now() - begin >= kWait);
  CHECK(await_ready(reader.get(), POLLIN, Deadline::never()) == POLLHUP);
  disturber.join();
  REQUIRE(::sigaction(SIGUSR1, &before, nullptr) == 0);
}

TEST_CASE("names are escaped as rsync does, and can be told from the line") {
  CHECK(escaped("a\nb\x7f", 100) == "a\\#012b\\#177");
  CHECK(escaped("gr\xc3\xbc\xff", 100) == "gr\xc3\xbc\\#377");
  CHECK(escaped("a\\#012", 100) == "a\\#134#012");
  CHECK(escaped("back\\slash \\# \\#01", 100) == "back\\slash \\# \\#01");
  CHECK(escaped("aaaa\n", 6) == "aaaa");
}

TEST_CASE("text from outside cannot steer a terminal") {
  CHECK(printable("a\x1b[31mb\n\x7f") == "a?[31mb??");
  CHECK(printable("gr\xc3\xbc\xc3\x9f") == "gr\xc3\xbc\xc3\x9f");
  CHECK(printable("\xc3(\xff\xc2\x9b") == "?(???");
  CHECK(printable("\xe0\x80\x9b[2J") == "???[2J");                // ESC, in more bytes than it needs
  CHECK(printable("\xed\xa0\x80\xf4\x90\x80\x80") == "???????");  // no characters
  CHECK(printable(std::string(1000, 'x'), 10).size() == 10);
  CHECK(printable("abc\xe2\x82\xac", 5) == "abc");  // never half a character
}

TEST_CASE("a descriptor is closed once, by its last owner") {
  int fds[2];
  REQUIRE(::pipe(fds) == 0);
  const Descriptor reader(fds[0]);
  Descriptor writer(fds[1]);
  Descriptor other = std::move(writer);
  CHECK(!writer);
  CHECK(::fcntl(fds[1], F_GETFD) != -1);
  other = Descriptor();
  CHECK(::fcntl(fds[1], F_GETFD) == -1);
}

TEST_CASE("deadlines compare and pass") {
  CHECK(Deadline::now().passed());
  CHECK(!Deadline::never().passed());
  CHECK(Deadline::never().earlier(Deadline::now()) == Deadline::now());
  CHECK(Deadline::in(std::chrono::hours(1)).remaining() > std::chrono::minutes(59));
  CHECK(Deadline::now().remaining().count() == 0);
  CHECK(Deadline::in(Nanoseconds::max()).is_never());
}

TEST_CASE("sizes read as people write them") {
  CHECK(format_size(17) == "17 B");
  CHECK(format_size(4_MiB) == "4 MiB");
  CHECK(format_size(1536) == "1.5 KiB");
  CHECK(round_up(1, 4096) == 4096);
  CHECK(round_up(8192, 4096) == 8192);
}

TEST_CASE("a secret moves, and its bytes with it") {
  Secret secret(std::string_view("hunter2"));
  Secret taken = std::move(secret);
  CHECK(taken.text() == "hunter2");
  CHECK(secret.empty());  // NOLINT(bugprone-use-after-move): that is the fact
}
