// One read, write or sync as a value, and how a thread performs it with plain system calls. The memory is the
// caller's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

namespace rdpipe {

struct Request {
  enum class Kind : std::uint8_t { kRead, kWrite, kSync };

  Kind kind = Kind::kSync;
  int fd = -1;
  void* data = nullptr;      // only read from when writing
  std::size_t size = 0;      // bytes
  std::uint64_t offset = 0;  // bytes; all ones: the file's own position
};

// More than this one system call does not move, bytes.
constexpr std::size_t kMaxTransfer = 0x7ffff000;

// Performs it now and for as long as it takes: a count, or -errno but never -EINTR. Any thread.
[[nodiscard]] std::int64_t perform(const Request& request);

// Reads or writes, on a pipe, socket or terminal that poll(2) has just called ready, what can be moved
// without sleeping: a count, -errno, or nothing when it turned out not to be ready.
[[nodiscard]] std::optional<std::int64_t> perform_ready(const Request& request);

}  // namespace rdpipe
