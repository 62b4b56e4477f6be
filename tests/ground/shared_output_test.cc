// What is written to a descriptor that others share: whole texts, or none, and nobody is waited for too long.
#include "ground/shared_output.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <string>
#include <thread>

#include "catch.h"
#include "ground/descriptor.h"

using namespace rdpipe;

namespace {

constexpr std::size_t kPage = 4096;

struct Ends {
  Descriptor reader, writer;
};

// A pipe of one page.
Ends small_pipe() {
  std::array<int, 2> ends{};
  REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
  REQUIRE(::fcntl(ends[1], F_SETPIPE_SZ, kPage) == static_cast<int>(kPage));
  return {Descriptor(ends[0]), Descriptor(ends[1])};
}

// What there is to read, until for so many milliseconds nothing more comes.
std::string take(int fd, int patience = 0) {
  std::string all;
  std::array<char, 65536> piece{};
  for (pollfd ready{fd, POLLIN, 0}; ::poll(&ready, 1, patience) == 1 && (ready.revents & POLLIN) != 0;) {
    const auto count = ::read(fd, piece.data(), piece.size());
    if (count <= 0) break;
    all.append(piece.data(), static_cast<std::size_t>(count));
  }
  return all;
}

bool blocks(int fd) { return (::fcntl(fd, F_GETFL) & O_NONBLOCK) == 0; }

}  // namespace

TEST_CASE("a text for which a pipe has no room is left out, and its description stays as it was") {
  Ends pipe = small_pipe();
  SharedOutput output(pipe.writer.get());
  CHECK(output.write(std::string(kPage, 'a'), Deadline::now()));
  CHECK_FALSE(output.write("lost", Deadline::now()));
  CHECK(blocks(pipe.writer.get()));
  CHECK(take(pipe.reader.get()) == std::string(kPage, 'a'));
  CHECK(output.write("b", Deadline::now()));
  CHECK(take(pipe.reader.get()) == "b");
}

TEST_CASE("what was begun is ended before anything else begins") {
  Ends pipe = small_pipe();
  SharedOutput output(pipe.writer.get());
  const std::string longer(3 * kPage + 10, 'x');
  CHECK(output.write(longer, Deadline::now()));
  std::string got;
  int left_out = 0;
  for (; !output.write("next", Deadline::now()); ++left_out) {
    REQUIRE(left_out < 10);
    got += take(pipe.reader.get());
  }
  CHECK(left_out > 0);
  CHECK(got + take(pipe.reader.get()) == longer + "next");
}

TEST_CASE("a reader is waited for as long as was said, and once") {
  constexpr auto kPatience = std::chrono::milliseconds(300);
  Ends pipe = small_pipe();
  SharedOutput output(pipe.writer.get());
  REQUIRE(output.write(std::string(kPage, 'a'), Deadline::now()));
  auto begin = Clock::now();
  CHECK_FALSE(output.write("b", Deadline::in(kPatience)));
  CHECK(Clock::now() - begin >= kPatience);
  begin = Clock::now();
  for (int i = 0; i < 100; ++i) CHECK_FALSE(output.write("c", Deadline::in(kPatience)));
  CHECK(Clock::now() - begin < 20 * kPatience);
  CHECK(take(pipe.reader.get()) == std::string(kPage, 'a'));
  REQUIRE(output.write(std::string(kPage, 'd'), Deadline::in(kPatience)));  // there is room again
  begin = Clock::now();
  CHECK_FALSE(output.write("e", Deadline::in(kPatience)));
  CHECK(Clock::now() - begin >= kPatience);
}

TEST_CASE("what must be said waits for its reader") {
  Ends pipe = small_pipe();
  SharedOutput output(pipe.writer.get());
  REQUIRE(output.write(std::string(kPage, 'a'), Deadline::now()));
  CHECK_FALSE(output.write("b", Deadline::in(std::chrono::milliseconds(10))));
  std::string got;
  std::thread reader([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    while (got.size() < 4 * kPage) got += take(pipe.reader.get());
  });
  CHECK(output.write(std::string(3 * kPage, 'c'), Deadline::never()));
  reader.join();
  CHECK(got == std::string(kPage, 'a') + std::string(3 * kPage, 'c'));
}

// A terminal says that there is room as long as there is some for a byte.
TEST_CASE("a terminal that nobody reads holds up nobody") {
  int master = -1, slave = -1;
  REQUIRE(::openpty(&master, &slave, nullptr, nullptr, nullptr) == 0);
  const Descriptor screen(master), terminal(slave);
  SharedOutput output(terminal.get());
  const std::string line(300, 'x');
  std::size_t lines = 0;
  while (output.write(line, Deadline::now())) REQUIRE(++lines < 100'000);
  CHECK(lines > 0);
  CHECK(blocks(terminal.get()));
  const std::string got = take(screen.get(), 500);
  CHECK(got.size() >= lines * line.size() - line.size());
  CHECK(output.write(line, Deadline::now()));
}

TEST_CASE("a socket is not waited for either") {
  std::array<int, 2> ends{};
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
  const Descriptor reader(ends[0]), writer(ends[1]);
  SharedOutput output(writer.get());
  std::size_t lines = 0;
  while (output.write(std::string(1000, 'x'), Deadline::now())) REQUIRE(++lines < 100'000);
  CHECK(lines > 0);
}

TEST_CASE("what nobody can read any more counts as written") {
  std::signal(SIGPIPE, SIG_IGN);
  Ends pipe = small_pipe();
  SharedOutput before(pipe.writer.get());
  pipe.reader.reset();
  CHECK(before.write("text", Deadline::never()));
  CHECK(SharedOutput(pipe.writer.get()).write("text", Deadline::never()));
  CHECK(SharedOutput(-1).write("text", Deadline::never()));
}

TEST_CASE("a file is written from the position that it has, and shared") {
  std::array<char, 32> name{"/tmp/rdpipe-shared-XXXXXX"};
  const Descriptor file(::mkstemp(name.data()));
  REQUIRE(file);
  REQUIRE(::unlink(name.data()) == 0);
  SharedOutput output(file.get());
  CHECK(output.write("one ", Deadline::now()));
  REQUIRE(::write(file.get(), "two ", 4) == 4);
  CHECK(output.write("three", Deadline::never()));
  std::array<char, 32> got{};
  CHECK(::pread(file.get(), got.data(), got.size(), 0) == 13);
  CHECK(std::string(got.data()) == "one two three");
}
