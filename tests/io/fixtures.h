// What the tests of the loop share: pipes, temporary files, and a loop on either back end. For one thread.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>

#include "catch.h"
#include "ground/descriptor.h"
#include "ground/error.h"
#include "io/loop.h"

namespace rdpipe {

constexpr std::chrono::seconds kLong(20);  // a test that waits so long has failed

struct Pipe {
  explicit Pipe(int flags = O_CLOEXEC) {
    int ends[2];
    check(::pipe2(ends, flags), Status::kFileIo, "make a pipe");
    out = Descriptor(ends[0]);
    in = Descriptor(ends[1]);
  }
  void put(std::string_view text) const {
    REQUIRE(::write(in.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  }

  Descriptor out;  // to read from
  Descriptor in;   // to write to
};

// A file without a name.
inline Descriptor temporary_file(std::string_view content = {}) {
  char name[] = "/tmp/rdpipe-io-XXXXXX";
  Descriptor file(check(::mkostemp(name, O_CLOEXEC), Status::kFileIo, "make a temporary file"));
  ::unlink(name);
  REQUIRE(::pwrite(file.get(), content.data(), content.size(), 0) == static_cast<ssize_t>(content.size()));
  return file;
}

inline std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }
inline std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// The test case's loop options: each case runs once on either back end.
inline LoopOptions either_backend() {
  LoopOptions options;
  options.use_uring = GENERATE(true, false);
  CAPTURE(options.use_uring);
  if (options.use_uring && !Loop(options).uses_uring()) WARN("no io_uring here: its cases run on poll(2)");
  return options;
}

// Waits until the condition holds, or for too long.
template <typename Condition>
[[nodiscard]] bool wait_until(Loop& loop, Condition condition) {
  const Deadline limit = Deadline::in(kLong);
  while (!condition() && !limit.passed()) loop.wait(limit);
  return condition();
}

inline std::int64_t result_of(Loop& loop, Operation& operation) {
  REQUIRE(wait_until(loop, [&] { return operation.done(); }));
  return operation.take();
}

}  // namespace rdpipe
