// Reads, writes and syncs.
#include <sys/mman.h>

#include <cerrno>
#include <deque>
#include <string>
#include <thread>
#include <vector>

#include "io/fixtures.h"

namespace rdpipe {
namespace {

TEST_CASE("what was written at an offset is read from there", "[io]") {
  Loop loop(either_backend());
  const Descriptor file = temporary_file();
  Operation operation;
  loop.write(operation, file.get(), bytes_of("hello"), 4096);
  CHECK(operation.pending());
  CHECK(result_of(loop, operation) == 5);
  loop.sync(operation, file.get());
  CHECK(result_of(loop, operation) == 0);
  std::array<std::byte, 8> buffer{};
  loop.read(operation, file.get(), buffer, 4098);
  CHECK(result_of(loop, operation) == 3);  // the file ends there
  CHECK(text_of(buffer).substr(0, 3) == "llo");
  CHECK(operation.idle());
}

TEST_CASE("failures are negative errno values", "[io]") {
  Loop loop(either_backend());
  const Pipe pipe;
  std::array<std::byte, 8> buffer{};
  Operation operation;
  loop.read(operation, -1, buffer, 0);
  CHECK(result_of(loop, operation) == -EBADF);
  loop.read(operation, pipe.in.get(), buffer, Loop::kCurrentPosition);
  CHECK(result_of(loop, operation) == -EBADF);
  loop.sync(operation, pipe.in.get());
  CHECK(result_of(loop, operation) == -EINVAL);
}

TEST_CASE("the current position is read from and moves on", "[io]") {
  Loop loop(either_backend());
  const Descriptor file = temporary_file("abcdef");
  std::array<std::byte, 3> buffer{};
  Operation operation;
  for (const std::string_view part : {"abc", "def"}) {
    loop.read(operation, file.get(), buffer, Loop::kCurrentPosition);
    CHECK(result_of(loop, operation) == 3);
    CHECK(text_of(buffer) == part);
  }
  loop.write(operation, file.get(), bytes_of("g"), Loop::kCurrentPosition);
  CHECK(result_of(loop, operation) == 1);
  CHECK(::lseek(file.get(), 0, SEEK_CUR) == 7);
}

TEST_CASE("registered memory reads and writes like any other", "[io]") {
  Loop loop(either_backend());
  const Descriptor file = temporary_file("0123456789");
  std::vector<std::byte> memory(8192);
  const bool registered = loop.register_memory(memory);
  CHECK((registered || !loop.uses_uring()));
  Operation first, second, outside;
  std::array<std::byte, 2> elsewhere{};
  loop.read(first, file.get(), std::span(memory).first(4), 0);
  loop.read(second, file.get(), std::span(memory).last(4), 6);
  loop.read(outside, file.get(), elsewhere, 4);
  CHECK(result_of(loop, first) == 4);
  CHECK(result_of(loop, second) == 4);
  CHECK(result_of(loop, outside) == 2);
  CHECK(text_of(memory).substr(8188) == "6789");
  CHECK(loop.register_memory({}) == loop.uses_uring());
  loop.write(first, file.get(), std::span(memory).last(4), 0);
  CHECK(result_of(loop, first) == 4);
}

TEST_CASE("memory that cannot be pinned is used all the same", "[io]") {
  Loop loop(either_backend());
  void* hole = ::mmap(nullptr, 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE(hole != MAP_FAILED);
  CHECK_FALSE(loop.register_memory({static_cast<std::byte*>(hole), 8192}));
  REQUIRE(::mprotect(hole, 8192, PROT_READ | PROT_WRITE) == 0);
  const Descriptor file = temporary_file("xyz");
  Operation operation;
  loop.read(operation, file.get(), {static_cast<std::byte*>(hole), 8192}, 0);
  CHECK(result_of(loop, operation) == 3);
  ::munmap(hole, 8192);
}

TEST_CASE("a thousand reads through a queue of eight", "[io]") {
  LoopOptions options = either_backend();
  options.queue_depth = 8;
  Loop loop(options);
  std::string content(1000, ' ');
  for (std::size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i * 7);
  const Descriptor file = temporary_file(content);
  std::string copy(1000, '!');
  std::deque<Operation> reads(1000);
  const auto into = std::as_writable_bytes(std::span(copy));
  for (std::size_t i = 0; i < reads.size(); ++i) loop.read(reads[i], file.get(), into.subspan(i, 1), i);
  for (Operation& read : reads) REQUIRE(result_of(loop, read) == 1);
  CHECK(copy == content);
}

TEST_CASE("a read of an empty pipe waits and other work goes on", "[io]") {
  Loop loop(either_backend());
  const Pipe pipe;
  const Descriptor file = temporary_file("file");
  std::array<std::byte, 8> from_pipe{}, from_file{};
  Operation pipe_read, file_read;
  loop.read(pipe_read, pipe.out.get(), from_pipe, Loop::kCurrentPosition);
  loop.read(file_read, file.get(), from_file, 0);
  CHECK(result_of(loop, file_read) == 4);
  CHECK(pipe_read.pending());
  pipe.put("late");
  CHECK(result_of(loop, pipe_read) == 4);
  CHECK(text_of(from_pipe).substr(0, 4) == "late");
}

TEST_CASE("a write larger than a pipe ends as its reader takes it", "[io]") {
  Loop loop(either_backend());
  Pipe pipe;
  const std::vector<std::byte> data(1 << 20);
  std::size_t taken = 0;
  std::thread reader([&, fd = pipe.out.get()] {
    std::vector<std::byte> buffer(10000);
    ssize_t count;
    while ((count = ::read(fd, buffer.data(), buffer.size())) > 0) taken += static_cast<std::size_t>(count);
  });
  Operation operation;
  std::size_t written = 0;
  while (written < data.size()) {
    loop.write(operation, pipe.in.get(), std::span(data).subspan(written), Loop::kCurrentPosition);
    const std::int64_t count = result_of(loop, operation);
    if (count <= 0) break;
    written += static_cast<std::size_t>(count);
  }
  pipe.in.reset();
  reader.join();
  CHECK(written == data.size());
  CHECK(taken == data.size());
}

TEST_CASE("a pending read that is destroyed leaves memory, pipe and loop alone", "[io]") {
  Loop loop(either_backend());
  const Pipe pipe;
  std::array<std::byte, 4> buffer{};
  const bool submitted = GENERATE(true, false);
  {
    Operation first, second;
    loop.read(first, pipe.out.get(), buffer, Loop::kCurrentPosition);
    loop.read(second, pipe.out.get(), buffer, Loop::kCurrentPosition);
    if (submitted) loop.poll();
  }
  pipe.put("data");
  loop.poll();
  CHECK(buffer[0] == std::byte{0});
  Operation again;
  loop.read(again, pipe.out.get(), buffer, Loop::kCurrentPosition);
  CHECK(result_of(loop, again) == 4);
}

TEST_CASE("a completion met while another operation is cancelled is not lost", "[io]") {
  Loop loop(either_backend());
  const Pipe pipe;
  const Descriptor file = temporary_file("file");
  std::array<std::byte, 4> buffer{};
  Operation kept;
  {
    Operation cancelled;
    loop.read(cancelled, pipe.out.get(), buffer, Loop::kCurrentPosition);
    loop.read(kept, file.get(), buffer, 0);
  }
  CHECK(result_of(loop, kept) == 4);
}

}  // namespace
}  // namespace rdpipe
