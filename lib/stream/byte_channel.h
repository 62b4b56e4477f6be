// Bytes in and out of a descriptor that somebody else opened and may share, without blocking and without
// setting O_NONBLOCK on it: a pipe is opened again through /proc, a socket is asked with MSG_DONTWAIT, a
// device is polled first, and what allows none of that is left to a worker.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace rdpipe {

class Loop;

class ReadChannel {
 public:
  virtual ~ReadChannel() = default;
  // Bytes read; 0 at the end; nothing when it would block: what wakes the loop is then armed. Throws
  // Error{kFileIo}.
  [[nodiscard]] virtual std::optional<std::size_t> read(std::span<std::byte> into) = 0;
  // A descriptor that a worker may read in this one's place, and that does not block it; -1: there is none.
  [[nodiscard]] virtual int for_worker() const noexcept { return -1; }
};

class WriteChannel {
 public:
  virtual ~WriteChannel() = default;
  // Bytes taken, at least 1; nothing when it would block: what wakes the loop is then armed. Throws
  // Error{kFileIo}.
  [[nodiscard]] virtual std::optional<std::size_t> write(std::span<const std::byte> from) = 0;
  // Bytes that wait for the reader (pipes, local sockets, whose count includes the kernel's own) or for its
  // host's kernel (TCP); 0: it has all. Throws Error{kFileIo} when the reader is gone and has left some.
  [[nodiscard]] virtual std::size_t waiting() = 0;
};

// `fd` stays the caller's and open; `chunk` is the size of a usual transfer, bytes. `name` is for messages.
[[nodiscard]] std::unique_ptr<ReadChannel> open_for_reading(Loop& loop, int fd, const std::string& name,
                                                            std::size_t chunk);
[[nodiscard]] std::unique_ptr<WriteChannel> open_for_writing(Loop& loop, int fd, const std::string& name,
                                                             std::size_t chunk);

}  // namespace rdpipe
