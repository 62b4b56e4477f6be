// Commands as Source and as Sink, and what ends them.
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstring>
#include <string>
#include <thread>

#include "catch.h"
#include "ground/error.h"
#include "io/loop.h"
#include "launch/commands.h"
#include "launch/error_relay.h"
#include "launch/group_guard.h"
#include "launch/process.h"
#include "launch/spawn.h"

using namespace rdpipe;

namespace {

std::vector<std::string> shell(const std::string& script) { return {"sh", "-c", script}; }

Descriptor nowhere() { return Descriptor(::open("/dev/null", O_RDWR | O_CLOEXEC)); }

struct Ends {
  Ends() { std::signal(SIGPIPE, SIG_IGN); }
  Loop loop;
  Ring ring{{4_KiB, 8}};
  Descriptor errors = nowhere();
};

std::optional<SourceEvent> next_event(Loop& loop, Source& source) {
  const Deadline limit = Deadline::in(std::chrono::seconds(20));
  while (!limit.passed()) {
    if (auto event = source.poll(true)) return event;
    loop.wait(limit);
  }
  return {};
}

// All that the source gives; throws what it throws.
std::string read_all(Loop& loop, Source& source) {
  std::string text;
  while (auto event = next_event(loop, source)) {
    if (std::holds_alternative<SourceEnd>(*event)) return text;
    const auto bytes = std::get<Filled>(*event).slot.filled();
    text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  FAIL("the source does not end");
  return text;
}

void write_text(Loop& loop, Ring& ring, Sink& sink, std::string_view text) {
  const Deadline limit = Deadline::in(std::chrono::seconds(20));
  while (!text.empty() && !limit.passed()) {
    sink.poll();
    auto slot = ring.acquire();
    if (!slot) {
      loop.wait(limit);
      continue;
    }
    const std::size_t size = std::min<std::size_t>(text.size(), 4_KiB);
    std::memcpy(slot->payload().data(), text.data(), size);
    slot->resize(size);
    sink.write(std::move(*slot));
    text.remove_prefix(size);
  }
}

void commit(Loop& loop, Sink& sink) {
  const Deadline limit = Deadline::in(std::chrono::seconds(20));
  sink.finish();
  for (sink.poll(); !sink.committed() && !limit.passed(); sink.poll()) loop.wait(limit);
  CHECK(sink.committed());
}

std::string failure_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    CHECK(error.status() == Status::kCommand);
    return error.what();
  }
  return "";
}

std::string first_line(int fd) {
  std::array<char, 100> text{};
  pollfd ready{fd, POLLIN, 0};
  REQUIRE(::poll(&ready, 1, 20000) == 1);
  const auto count = ::read(fd, text.data(), text.size());
  REQUIRE(count > 0);
  return {text.data(), static_cast<std::size_t>(count) - 1};
}

// A consumer that is run by `runner`, reads through `first`, and removes `marker` where it sees the end of
// its input, is given up in mid stream. Returns the number of its process group.
std::string give_up_consumer(const std::string& runner, const std::string& first, const std::string& marker) {
  Ends ends;
  Pipe told = make_pipe();
  const auto sink =
      make_command_sink(shell(runner + " 'read -r a b c d group rest </proc/self/stat; echo $group >&2; " +
                              first + "{ cat >/dev/null; rm " + marker + "; }'"),
                        {.fd = told.write.get()});
  sink->start(ends.loop, ends.ring, {});
  write_text(ends.loop, ends.ring, *sink, "abc");
  const Deadline patience = Deadline::in(std::chrono::seconds(20));
  for (pollfd ready{told.read.get(), POLLIN, 0}; ::poll(&ready, 1, 20) == 0 && !patience.passed();) {
    ends.loop.poll();
    sink->poll();
  }
  return first_line(told.read.get());
}

struct Marker {
  ~Marker() { ::unlink(path.c_str()); }
  [[nodiscard]] bool is_there() const { return ::access(path.c_str(), F_OK) == 0; }
  std::string path = "/tmp/rdpipe-ended-XXXXXX";
  const Descriptor made{::mkstemp(path.data())};
};

// Has a group of its own.
struct Bystander {
  Bystander() : process(start()) {}
  ~Bystander() {
    process.signal(SIGKILL);
    process.await_end(std::chrono::seconds(20));
  }
  static pid_t start() {
    SpawnPlan plan;
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) plan.put_nothing(fd);
    plan.lead_group();
    return plan.start({"sleep", "60"});
  }
  Process process;
};

}  // namespace

TEST_CASE("the last line of many is kept, whatever ends it and however long it is") {
  LastLine line;
  CHECK(line.text().empty());
  line.add("first\nsec");
  CHECK(line.text() == "sec");
  line.add("ond\r\n\n  \n");
  CHECK(line.text() == "second");
  line.add("10 %\r20 %\r");
  CHECK(line.text() == "20 %");
  line.add(std::string(5000, 'x'));
  line.add("y\x1b[1m");
  CHECK(line.text() == std::string(200, 'x'));
  line.add("\n\x1b[1mred");
  CHECK(line.text() == "?[1mred");
  line.add("\n\t  indented");
  CHECK(line.text() == "indented");
}

TEST_CASE("a producer's stream ends with its output and exit status 0") {
  Ends ends;
  const auto source =
      make_command_source(shell("printf abc; exec >&-; sleep 0.1; exit 0"), {.fd = ends.errors.get()});
  source->start(ends.loop, ends.ring, 4_KiB);
  CHECK(read_all(ends.loop, *source) == "abc");
}

TEST_CASE("a producer that fails after its last byte has not ended the stream") {
  Ends ends;
  const auto source = make_command_source(shell("printf abc; exec >&-; sleep 0.1; echo why >&2; exit 7"),
                                          {.fd = ends.errors.get()});
  source->start(ends.loop, ends.ring, 4_KiB);
  CHECK(failure_of([&] { read_all(ends.loop, *source); }) == "run 'sh': exited with status 7: why");
}

TEST_CASE("a consumer has committed when it has read everything and exited with 0") {
  Ends ends;
  const auto sink = make_command_sink(shell("cat >/dev/null; exit 0"), {.fd = ends.errors.get()});
  sink->start(ends.loop, ends.ring, {});
  write_text(ends.loop, ends.ring, *sink, std::string(100000, 'x'));
  CHECK(!sink->committed());
  commit(ends.loop, *sink);
  CHECK(sink->taken() == 100000);
}

TEST_CASE("a consumer's failure at its end is the stream's") {
  Ends ends;
  const auto sink =
      make_command_sink(shell("cat >/dev/null; echo full >&2; exit 28"), {.fd = ends.errors.get()});
  sink->start(ends.loop, ends.ring, {});
  write_text(ends.loop, ends.ring, *sink, "abc");
  CHECK(failure_of([&] { commit(ends.loop, *sink); }) == "run 'sh': exited with status 28: full");
}

TEST_CASE("a consumer that leaves bytes fails, whatever it exits with") {
  Ends ends;
  const auto sink = make_command_sink(shell("head -c 1 >/dev/null"), {.fd = ends.errors.get()});
  sink->start(ends.loop, ends.ring, {});
  CHECK(failure_of([&] {
          write_text(ends.loop, ends.ring, *sink, std::string(5000000, 'x'));
          commit(ends.loop, *sink);
        }) == "run 'sh': exited with status 0 before it had taken every byte");
}

TEST_CASE("a consumer that only closes its input fails, and is not waited for") {
  Ends ends;
  const auto sink = make_command_sink(shell("exec <&-; sleep 1000"), {.fd = ends.errors.get()});
  sink->start(ends.loop, ends.ring, {});
  const auto begin = Clock::now();
  CHECK(failure_of([&] {
          write_text(ends.loop, ends.ring, *sink, std::string(5000000, 'x'));
          commit(ends.loop, *sink);
        }) == "run 'sh': closed its standard input before it had taken every byte");
  CHECK(Clock::now() - begin < std::chrono::seconds(15));
}

TEST_CASE("a consumer that is given up sees no end of its input, in whichever group it is") {
  const std::string runner =
      GENERATE("exec sh -c", "exec timeout 50 sh -c", "exec setsid sh -c", "exec bash -mc");
  const std::string first = GENERATE("", "cat | ");  // the last does not read the pipe itself
  CAPTURE(runner, first);
  const Marker marker;
  CHECK(!give_up_consumer(runner, first, marker.path).empty());
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  CHECK(marker.is_there());
}

TEST_CASE("a consumer in a group that others are in from before is given up alone") {
  Bystander other;
  const std::string group = std::to_string(other.process.pid());
  std::this_thread::sleep_for(std::chrono::milliseconds(50));  // it is told by its age, in hundredths
  const Marker marker;
  CHECK(give_up_consumer("exec perl -e 'setpgrp(0, " + group + ") or die; exec(@ARGV)' sh -c", "",
                         marker.path) == group);
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  CHECK(marker.is_there());
  CHECK(!other.process.ended());
}

TEST_CASE("all of a producer has a moment to tidy up, not only who leads it") {
  Ends ends;
  std::string litter = "/tmp/rdpipe-litter-XXXXXX";
  const Descriptor made(::mkstemp(litter.data()));
  {
    const auto source =
        make_command_source(shell("(trap 'sleep 0.2; rm " + litter +
                                  "; exit' TERM; echo begun; while :; do sleep 0.02; done); :"),
                            {.fd = ends.errors.get()});
    source->start(ends.loop, ends.ring, 4_KiB);
    REQUIRE(next_event(ends.loop, *source));
  }
  CHECK(::unlink(litter.c_str()) == -1);
}

TEST_CASE("what failed goes on failing, whoever asks again") {
  Ends ends;
  const auto source = make_command_source(shell("exit 7"), {.fd = ends.errors.get()});
  source->start(ends.loop, ends.ring, 4_KiB);
  CHECK(failure_of([&] { read_all(ends.loop, *source); }) == "run 'sh': exited with status 7");
  CHECK(failure_of([&] { source->attend(); }) == "run 'sh': exited with status 7");
  CHECK(failure_of([&] { static_cast<void>(source->poll(true)); }) == "run 'sh': exited with status 7");
}

TEST_CASE("a command shows what of it waits, and what was taken") {
  Ends ends;
  const auto source = make_command_source(shell("printf abc; exec sleep 1000"), {.fd = ends.errors.get()});
  source->start(ends.loop, ends.ring, 4_KiB);
  REQUIRE(next_event(ends.loop, *source));
  CHECK_FALSE(source->poll(true));
  CHECK(source->taken() == 3);
  CHECK(source->empty_slots() == 1);
  const auto sink = make_command_sink(shell("read -r word; exec cat >/dev/null"), {.fd = ends.errors.get()});
  sink->start(ends.loop, ends.ring, {});
  sink->write(ends.ring.acquire().value());
  CHECK(sink->backlog() == 1);
}

TEST_CASE("a consumer that has exited with 0 behind the whole stream has it, however the transfer ends") {
  const int status = GENERATE(0, 1);
  Ends ends;
  Pipe told = make_pipe();
  const std::string script = "cat >/dev/null; echo all >&2; sleep 0.5; exit " + std::to_string(status);
  const auto sink = make_command_sink(shell(script), {.fd = told.write.get()});
  sink->start(ends.loop, ends.ring, {});
  write_text(ends.loop, ends.ring, *sink, "abc");
  CHECK_FALSE(sink->in_place_after_all());
  sink->finish();
  const Deadline limit = Deadline::in(std::chrono::seconds(20));
  for (pollfd ready{told.read.get(), POLLIN, 0}; ::poll(&ready, 1, 10) == 0 && !limit.passed();) {
    sink->poll();
    ends.loop.poll();
  }
  CHECK_FALSE(sink->committed());
  std::this_thread::sleep_for(std::chrono::milliseconds(1500));
  CHECK(sink->in_place_after_all() == (status == 0));
  CHECK(sink->committed() == (status == 0));
}

TEST_CASE("what a command has left behind may write for ever to its standard error") {
  Ends ends;
  const auto source = make_command_source(shell("yes >&2 & sleep 0.3; exit 1"), {.fd = ends.errors.get()});
  source->start(ends.loop, ends.ring, 4_KiB);
  const auto begin = Clock::now();
  CHECK(failure_of([&] { read_all(ends.loop, *source); }) == "run 'sh': exited with status 1: y");
  CHECK(Clock::now() - begin < std::chrono::seconds(10));
}

TEST_CASE("a command that cannot be started is an error of the command") {
  Ends ends;
  const auto sink = make_command_sink({"/no/such/program"}, {.fd = ends.errors.get()});
  CHECK(failure_of([&] { sink->start(ends.loop, ends.ring, {}); }) ==
        "start '/no/such/program': No such file or directory");
}

TEST_CASE("standard error is passed on, and nobody who reads it late is waited for") {
  Ends ends;
  Pipe errors = make_pipe();
  REQUIRE(::fcntl(errors.write.get(), F_SETPIPE_SZ, 4096) == 4096);
  const auto source =
      make_command_source(shell("echo first >&2; head -c 50000 /dev/zero | tr '\\0' x >&2; printf abc"),
                          {.fd = errors.write.get()});
  source->start(ends.loop, ends.ring, 4_KiB);
  CHECK(read_all(ends.loop, *source) == "abc");  // nobody has read anything yet
  CHECK(first_line(errors.read.get()) == "first");
}

// It says that there is room as long as there is some for a byte.
TEST_CASE("a terminal that nobody reads holds up no command") {
  Ends ends;
  int master = -1, slave = -1;
  REQUIRE(::openpty(&master, &slave, nullptr, nullptr, nullptr) == 0);
  const Descriptor screen(master), terminal(slave);
  const auto source = make_command_source(shell("head -c 40000 /dev/zero | tr '\\0' x >&2; printf abc"),
                                          {.fd = terminal.get()});
  source->start(ends.loop, ends.ring, 4_KiB);
  CHECK(read_all(ends.loop, *source) == "abc");
}

TEST_CASE("the key is not in a command's environment") {
  Ends ends;
  ::setenv("RDPIPE_KEY", "secret", 1);
  ::setenv("RDPIPE_KEYS", "kept", 1);
  const auto source = make_command_source(shell("env | grep '^RDPIPE_KEY'"), {.fd = ends.errors.get()});
  source->start(ends.loop, ends.ring, 4_KiB);
  CHECK(read_all(ends.loop, *source) == "RDPIPE_KEYS=kept\n");
  ::unsetenv("RDPIPE_KEY");
  ::unsetenv("RDPIPE_KEYS");
}

TEST_CASE("a guard holds what it was given until it is told otherwise, and lets its group live") {
  Pipe pipe = make_pipe();
  char byte = 0;
  ::fcntl(pipe.read.get(), F_SETFL, O_NONBLOCK);
  GroupGuard guard(&pipe.write);
  pipe.write.reset();
  CHECK(::read(pipe.read.get(), &byte, 1) == -1);
  guard.let_go_of_held();
  pollfd ended{pipe.read.get(), POLLIN, 0};
  CHECK(::poll(&ended, 1, 20000) == 1);
  CHECK(::read(pipe.read.get(), &byte, 1) == 0);
}

TEST_CASE("signals to its group miss a guard, but for the last") {
  GroupGuard guard(nullptr);
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGQUIT}) guard.signal(number);
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  CHECK(::kill(guard.group(), 0) == 0);
  guard.kill();
  CHECK(guard.all_gone(Deadline::in(std::chrono::seconds(20))));
  CHECK(::kill(guard.group(), 0) == -1);
}

TEST_CASE("a command's last words are a line of their own") {
  Ends ends;
  Pipe told = make_pipe();
  {
    const auto source = make_command_source(shell("printf oops >&2; exit 3"), {.fd = told.write.get()});
    source->start(ends.loop, ends.ring, 4_KiB);
    CHECK(failure_of([&] { read_all(ends.loop, *source); }) == "run 'sh': exited with status 3: oops");
  }
  told.write.reset();
  std::array<char, 100> text{};
  CHECK(::read(told.read.get(), text.data(), text.size()) == 5);
  CHECK(std::string(text.data()) == "oops\n");
}

TEST_CASE("a line that was begun stays begun where its end finds no room") {
  Ends ends;
  Pipe told = make_pipe();
  REQUIRE(::fcntl(told.write.get(), F_SETPIPE_SZ, 4096) == 4096);
  const ErrorOutput errors{.fd = told.write.get()};
  const auto source = make_command_source(shell("printf %04096d 7 >&2; exit 3"), errors);
  source->start(ends.loop, ends.ring, 4_KiB);
  CHECK_THAT(failure_of([&] { read_all(ends.loop, *source); }), Catch::Contains("exited with status 3: 000"));
  CHECK(*errors.in_line);
}

TEST_CASE("what a command said last is known though nobody reads it") {
  Ends ends;
  Pipe told = make_pipe();
  REQUIRE(::fcntl(told.write.get(), F_SETPIPE_SZ, 4096) == 4096);
  const auto source =
      make_command_source(shell("head -c 20000 /dev/zero | tr '\\0' x >&2; echo >&2; echo fire >&2; exit 3"),
                          {.fd = told.write.get()});
  source->start(ends.loop, ends.ring, 4_KiB);
  CHECK(failure_of([&] { read_all(ends.loop, *source); }) == "run 'sh': exited with status 3: fire");
}
