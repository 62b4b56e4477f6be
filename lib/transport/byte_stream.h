// What carries a TcpLink's frames: bytes in order in both directions, without blocking. A TCP connection
// today; any pair of descriptors can be one. Belongs to the thread of its loop.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <span>
#include <string>

#include "ground/deadline.h"
#include "transport/link.h"

namespace rdpipe {

class ByteStream {
 public:
  ByteStream() = default;
  ByteStream(const ByteStream&) = delete;
  ByteStream& operator=(const ByteStream&) = delete;
  virtual ~ByteStream() = default;  // discards; the peer sees a lost link unless finish() was called

  struct Moved {
    std::size_t bytes = 0;
    int error = 0;     // errno of what broke the stream, or 0
    bool end = false;  // of read(): the peer has finished
  };
  // One read into, or one write from, several places; `parts` is 1 to 64 of them. Fewer bytes than the parts
  // hold mean that the stream is drained or full: it then arms the loop and can_read() or can_write() is
  // false until a wait has seen that to be over.
  [[nodiscard]] virtual Moved read(std::span<iovec> parts) = 0;
  [[nodiscard]] virtual Moved write(std::span<iovec> parts) = 0;
  [[nodiscard]] virtual bool can_read() const = 0;
  [[nodiscard]] virtual bool can_write() const = 0;

  // No more bytes will be written: the peer's read() comes to its end after what was written.
  virtual void finish() = 0;

  // Sees to it that a dead peer is noticed within `limit`, also while nothing is moved.
  virtual void set_keep_alive(Nanoseconds limit) = 0;
  // To be called before each sleep; arms the loop where needed. ETIMEDOUT when the peer is dead, otherwise 0.
  [[nodiscard]] virtual int check_alive() = 0;

  virtual void move_to(Loop& loop) = 0;
  [[nodiscard]] virtual const LinkInfo& info() const = 0;
};

}  // namespace rdpipe
