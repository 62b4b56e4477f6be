#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <thread>

#include "catch.h"
#include "ground/descriptor.h"
#include "ground/error.h"
#include "ground/units.h"
#include "io/loop.h"
#include "seal/digest.h"
#include "stream/pipes.h"

using namespace rdpipe;

namespace {

struct Pipe {
  Pipe() {
    int fds[2];
    REQUIRE(::pipe2(fds, O_CLOEXEC) == 0);
    reader = Descriptor(fds[0]);
    writer = Descriptor(fds[1]);
  }
  Descriptor reader, writer;
};

void write_text(int fd, const std::string& text) {
  REQUIRE(::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
}

std::optional<SourceEvent> next_event(Loop& loop, Source& source, bool urgent) {
  const Deadline limit = Deadline::in(std::chrono::seconds(5));
  for (;;) {
    if (auto event = source.poll(urgent)) return event;
    if (limit.passed()) return {};
    loop.wait(limit);
  }
}

std::string text_of(const SourceEvent& event) {
  const auto bytes = std::get<Filled>(event).slot.filled();
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Slot filled_slot(Ring& ring, const std::string& text) {
  Slot slot = std::move(*ring.acquire());
  std::memcpy(slot.payload().data(), text.data(), text.size());
  slot.resize(text.size());
  return slot;
}

}  // namespace

TEST_CASE("an urgent pipe gives what there is, an unhurried one fills its slot") {
  Loop loop;
  Ring ring({4_KiB, 4});
  Pipe pipe;
  auto source = make_pipe_source(pipe.reader.get(), "in");
  source->start(loop, ring, 4_KiB);
  write_text(pipe.writer.get(), "abc");
  const auto event = next_event(loop, *source, true);
  REQUIRE(event);
  CHECK(text_of(*event) == "abc");
  write_text(pipe.writer.get(), "def");
  CHECK(!source->poll(false));
  write_text(pipe.writer.get(), std::string(5000, 'x'));
  const auto full = next_event(loop, *source, false);
  REQUIRE(full);
  CHECK(text_of(*full) == "def" + std::string(4093, 'x'));
  pipe.writer.reset();
  CHECK(text_of(*next_event(loop, *source, false)) == std::string(907, 'x'));
  CHECK(std::holds_alternative<SourceEnd>(*next_event(loop, *source, false)));
}

TEST_CASE("where a device takes the bytes, a pipe that is full is read and digested by a worker") {
  Loop loop;
  Ring ring({128_KiB, 4});
  ring.attach_device();
  ring.expect_leaves();
  Pipe pipe;
  REQUIRE(::fcntl(pipe.writer.get(), F_SETPIPE_SZ, 1 << 20) >= 1 << 20);
  const auto source = make_pipe_source(pipe.reader.get(), "in");
  source->start(loop, ring, 128_KiB);
  std::string sent(3 * 128_KiB + 1000, '\0');
  for (std::size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<char>(i * 7 >> 3);
  write_text(pipe.writer.get(), sent);
  std::string got;
  for (int i = 0; i < 3; ++i) {
    const auto event = next_event(loop, *source, false);
    REQUIRE(event);
    const auto& filled = std::get<Filled>(*event);
    CHECK(filled.slot.size() == 128_KiB);
    if (i == 0) CHECK(filled.leaves.empty());
    if (i > 0) CHECK(filled.leaves == leaves_of(filled.slot.filled()));
    got += text_of(*event);
  }
  CHECK(!source->poll(false));  // a part of a slot waits for more
  const Deadline soon = Deadline::in(std::chrono::milliseconds(50));
  while (!soon.passed()) {
    loop.wait(soon);
    REQUIRE(!source->poll(false));
  }
  const auto rest = next_event(loop, *source, true);
  REQUIRE(rest);
  got += text_of(*rest);
  CHECK(got == sent);
  CHECK(!source->poll(true));
  write_text(pipe.writer.get(), "last");
  CHECK(text_of(*next_event(loop, *source, true)) == "last");
  pipe.writer.reset();
  CHECK(std::holds_alternative<SourceEnd>(*next_event(loop, *source, true)));
}

TEST_CASE("a pipe whose writer goes while a worker reads it ends after its last byte") {
  Loop loop;
  Ring ring({64_KiB, 4});
  ring.attach_device();
  Pipe pipe;
  REQUIRE(::fcntl(pipe.writer.get(), F_SETPIPE_SZ, 1 << 20) >= 1 << 20);
  const auto source = make_pipe_source(pipe.reader.get(), "in");
  source->start(loop, ring, 64_KiB);
  write_text(pipe.writer.get(), std::string(64_KiB, 'a') + "end");
  pipe.writer.reset();
  CHECK(text_of(*next_event(loop, *source, false)) == std::string(64_KiB, 'a'));
  CHECK(text_of(*next_event(loop, *source, false)) == "end");
  CHECK(std::holds_alternative<SourceEnd>(*next_event(loop, *source, false)));
}

TEST_CASE("reading a pipe leaves its flags alone") {
  Loop loop;
  Ring ring({4_KiB, 2});
  Pipe pipe;
  auto source = make_pipe_source(pipe.reader.get(), "in");
  source->start(loop, ring, 4_KiB);
  CHECK(!source->poll(true));
  CHECK((::fcntl(pipe.reader.get(), F_GETFL) & O_NONBLOCK) == 0);
}

TEST_CASE("a socket is read and written without blocking") {
  Loop loop;
  Ring ring({4_KiB, 4});
  int ends[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  Descriptor near(ends[0]), far(ends[1]);
  auto source = make_pipe_source(near.get(), "in");
  auto sink = make_pipe_sink(far.get(), "out");
  source->start(loop, ring, 4_KiB);
  sink->start(loop, ring, {});
  CHECK(!source->poll(true));
  sink->write(filled_slot(ring, "hello"));
  sink->finish();
  sink->poll();
  CHECK(!sink->committed());  // nobody has read it
  CHECK(text_of(*next_event(loop, *source, true)) == "hello");
  sink->poll();
  CHECK(sink->committed());
}

TEST_CASE("a socket whose reader goes and leaves bytes behind is an error, whose reader has all is not") {
  const bool reads = GENERATE(true, false);
  Loop loop;
  Ring ring({4_KiB, 4});
  int ends[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  const Descriptor ours(ends[0]);
  Descriptor reader(ends[1]);
  auto sink = make_pipe_sink(ours.get(), "standard output");
  sink->start(loop, ring, {});
  sink->write(filled_slot(ring, "abc"));
  sink->finish();
  sink->poll();
  char text[16];
  if (reads) REQUIRE(::read(reader.get(), text, sizeof text) == 3);
  reader.reset();
  if (reads) {
    sink->poll();
    CHECK(sink->committed());
  } else {
    CHECK_THROWS_WITH(sink->poll(), "write standard output: Connection reset by peer");
  }
}

TEST_CASE("a pipe is committed when its reader has taken every byte") {
  Loop loop;
  Ring ring({4_KiB, 4});
  Pipe pipe;
  auto sink = make_pipe_sink(pipe.writer.get(), "out");
  sink->start(loop, ring, {});
  sink->write(filled_slot(ring, "abc"));
  sink->write_hole(*ring.acquire(), 1);
  sink->write_hole(*ring.acquire(), 2);
  sink->finish();
  sink->poll();
  CHECK(!sink->committed());
  char text[16];
  REQUIRE(::read(pipe.reader.get(), text, 4) == 4);
  sink->poll();
  CHECK(!sink->committed());
  REQUIRE(::read(pipe.reader.get(), text + 4, 10) == 2);
  CHECK(std::memcmp(text, "abc\0\0\0", 6) == 0);
  sink->poll();
  CHECK(sink->committed());
}

TEST_CASE("a reader that goes and leaves bytes behind is an error, one that has taken all is not") {
  Loop loop;
  Ring ring({4_KiB, 4});
  Pipe pipe;
  auto sink = make_pipe_sink(pipe.writer.get(), "standard output");
  sink->start(loop, ring, {});
  sink->write(filled_slot(ring, "abc"));
  sink->poll();
  sink->finish();
  SECTION("left behind") {
    pipe.reader.reset();
    CHECK_THROWS_WITH(sink->poll(), "write standard output: Broken pipe");
  }
  SECTION("taken") {
    char text[16];
    REQUIRE(::read(pipe.reader.get(), text, sizeof text) == 3);
    pipe.reader.reset();
    sink->poll();
    CHECK(sink->committed());
  }
}

// Whether it is gone and what it has left are two questions.
TEST_CASE("a reader that takes all and goes at any moment whatsoever is no error") {
  Loop loop;
  Ring ring({4_KiB, 4});
  for (int round = 0; round < 2000; ++round) {
    Pipe pipe;
    auto sink = make_pipe_sink(pipe.writer.get(), "standard output");
    sink->start(loop, ring, {});
    sink->write(filled_slot(ring, "abc"));
    sink->poll();
    sink->finish();
    std::thread reader([&] {
      char text[3];
      CHECK(::read(pipe.reader.get(), text, sizeof text) == 3);
      pipe.reader.reset();
    });
    const Deadline limit = Deadline::in(std::chrono::seconds(20));
    try {
      while (!sink->committed() && !limit.passed()) sink->poll();
    } catch (const Error& error) {
      FAIL_CHECK(error.what());
    }
    reader.join();
    REQUIRE(sink->committed());
  }
}

TEST_CASE("devices are written and read to the end") {
  Loop loop;
  Ring ring({4_KiB, 4});
  const Descriptor null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  auto source = make_pipe_source(null.get(), "null");
  source->start(loop, ring, 4_KiB);
  CHECK(std::holds_alternative<SourceEnd>(*next_event(loop, *source, false)));
  const Descriptor full(::open("/dev/full", O_RDWR | O_CLOEXEC));
  auto sink = make_pipe_sink(full.get(), "full");
  sink->start(loop, ring, {});
  sink->write(filled_slot(ring, "abc"));
  const auto push = [&] {
    for (int i = 0; i < 5; ++i) {
      sink->poll();
      loop.wait(Deadline::in(std::chrono::milliseconds(100)));
    }
  };
  CHECK_THROWS_WITH(push(), "write full: No space left on device");
}
