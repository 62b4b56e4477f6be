#include "stream/byte_channel.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "ground/await_ready.h"
#include "ground/descriptor.h"
#include "ground/error.h"
#include "ground/shared_output.h"
#include "ground/units.h"
#include "io/loop.h"

namespace rdpipe {
namespace {

enum class Manner : std::uint8_t {
  kReopened,  // a description of our own, non-blocking: a pipe, a terminal
  kSocket,    // MSG_DONTWAIT
  kPolled,    // a device: touched only after poll has said it is ready
  kWorker,    // may block: a worker's
};

struct Access {
  Manner manner{};
  Descriptor own;  // kReopened only
  int fd = -1;     // the one to use
  bool is_pipe = false;
};

// Larger pipes mean fewer wake-ups; as far as the user's limit (/proc/sys/fs/pipe-max-size) allows.
void grow_pipe(int fd) {
  for (int size = 1 << 20; size >= 1 << 17; size /= 2) {
    if (::fcntl(fd, F_GETPIPE_SZ) >= size || ::fcntl(fd, F_SETPIPE_SZ, size) != -1) return;
  }
}

Access find_access(int fd, int open_mode, const std::string& name) {
  struct stat status {};
  check(::fstat(fd, &status), Status::kEndpoint, name);
  if (S_ISSOCK(status.st_mode)) return {Manner::kSocket, {}, fd, false};
  // A terminal that is ready for a byte blocks with more; other devices take what they are given.
  const bool is_terminal = S_ISCHR(status.st_mode) && ::isatty(fd) == 1;
  if (S_ISCHR(status.st_mode) && !is_terminal) return {Manner::kPolled, {}, fd, false};
  if (!S_ISFIFO(status.st_mode) && !is_terminal) return {Manner::kWorker, {}, fd, false};
  if (!is_terminal) grow_pipe(fd);
  Descriptor own = open_again(fd, open_mode);
  if (!own && is_terminal) return {Manner::kPolled, {}, fd, false};
  if (!own && errno == ENXIO) throw_errno(EPIPE, Status::kFileIo, "write " + name);  // nobody reads it
  if (!own) return {Manner::kWorker, {}, fd, true};
  const int usable = own.get();
  return {Manner::kReopened, std::move(own), usable, !is_terminal};
}

// What a pipe's reader has not taken, bytes. Throws when it is gone and has left some.
std::size_t waiting_in_pipe(int fd, const std::string& name) {
  // First whether the reader is gone: it then takes no more.
  const bool reader_gone = (await_ready(fd, 0, Deadline::now()) & POLLERR) != 0;
  int unread = 0;
  check(::ioctl(fd, FIONREAD, &unread), Status::kFileIo, "write " + name);
  if (reader_gone && unread > 0) throw_errno(EPIPE, Status::kFileIo, "write " + name);
  return static_cast<std::size_t>(unread);
}

// What was sent and still waits: for the reader of a local socket, for the other host's kernel with TCP.
// Throws when the reader is gone and has left some.
std::size_t waiting_in_socket(int fd, const std::string& name) {
  int waiting = 0;
  // Kinds of sockets that do not tell have it once they took it.
  if (::ioctl(fd, SIOCOUTQ, &waiting) == 0 && waiting > 0) return static_cast<std::size_t>(waiting);
  // Asked last: a reader that goes first leaves its error and then drops what it had not read.
  int error = 0;
  socklen_t size = sizeof error;
  check(::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size), Status::kFileIo, "write " + name);
  if (error != 0) throw_errno(error, Status::kFileIo, "write " + name);
  return 0;
}

class DirectReader : public ReadChannel {
 public:
  DirectReader(Loop& loop, Access access, std::string name)
      : access_(std::move(access)), name_(std::move(name)), watch_(loop, access_.fd) {
    if (access_.manner == Manner::kPolled) watch_.arm(POLLIN);
  }

  std::optional<std::size_t> read(std::span<std::byte> into) override {
    if (watch_.armed()) return {};
    const auto count = access_.manner == Manner::kSocket
                           ? ::recv(access_.fd, into.data(), into.size(), MSG_DONTWAIT)
                           : ::read(access_.fd, into.data(), into.size());
    const int error = errno;
    // Only when there was nothing: of a FIFO whose writers have gone by then, poll says nothing, but read
    // says 0.
    if (count < 0 || access_.manner == Manner::kPolled) watch_.arm(POLLIN);
    if (count >= 0) return static_cast<std::size_t>(count);
    if (error == EAGAIN || error == EINTR) return {};
    throw_errno(error, Status::kFileIo, "read " + name_);
  }

  int for_worker() const noexcept override {
    return access_.manner == Manner::kReopened && access_.is_pipe ? access_.fd : -1;
  }

 private:
  Access access_;
  std::string name_;
  Watch watch_;
};

class DirectWriter : public WriteChannel {
 public:
  DirectWriter(Loop& loop, Access access, std::string name)
      : access_(std::move(access)), name_(std::move(name)), watch_(loop, access_.fd) {
    if (access_.manner == Manner::kPolled) watch_.arm(POLLOUT);
  }

  std::optional<std::size_t> write(std::span<const std::byte> from) override {
    if (watch_.armed()) return {};
    const auto count = access_.manner == Manner::kSocket
                           ? ::send(access_.fd, from.data(), from.size(), MSG_DONTWAIT | MSG_NOSIGNAL)
                           : ::write(access_.fd, from.data(), from.size());
    const int error = errno;
    if (count < static_cast<ssize_t>(from.size()) || access_.manner == Manner::kPolled) watch_.arm(POLLOUT);
    if (count > 0) return static_cast<std::size_t>(count);
    if (count == 0 || error == EAGAIN || error == EINTR) return {};
    throw_errno(error, Status::kFileIo, "write " + name_);
  }

  std::size_t waiting() override {
    if (access_.manner == Manner::kSocket) return waiting_in_socket(access_.fd, name_);
    return access_.is_pipe ? waiting_in_pipe(access_.fd, name_) : 0;
  }

 private:
  Access access_;
  std::string name_;
  Watch watch_;
};

// What a worker and a channel share: a blocked worker may outlive the channel.
struct Buffer {
  explicit Buffer(std::size_t size) : bytes(size) {}
  std::vector<std::byte> bytes;
};

class WorkerReader : public ReadChannel {
 public:
  WorkerReader(Loop& loop, int fd, std::string name, std::size_t chunk)
      : loop_(loop), fd_(fd), name_(std::move(name)), buffer_(std::make_shared<Buffer>(chunk)) {}

  std::optional<std::size_t> read(std::span<std::byte> into) override {
    if (operation_.pending()) return {};
    if (operation_.done()) {
      const std::int64_t count = operation_.take();
      if (count < 0) throw_errno(static_cast<int>(-count), Status::kFileIo, "read " + name_);
      if (count == 0) return 0;
      unread_ = std::span(buffer_->bytes).first(static_cast<std::size_t>(count));
    }
    if (unread_.empty()) {
      start();
      return {};
    }
    const std::size_t count = std::min(into.size(), unread_.size());
    std::copy_n(unread_.begin(), count, into.begin());
    unread_ = unread_.subspan(count);
    return count;
  }

 private:
  void start() {
    loop_.run(
        operation_,
        [buffer = buffer_, fd = fd_]() -> std::int64_t {
          const auto count = ::read(fd, buffer->bytes.data(), buffer->bytes.size());
          return count == -1 ? -errno : count;
        },
        Abandon::kDetach);
  }

  Loop& loop_;
  int fd_;
  std::string name_;
  std::shared_ptr<Buffer> buffer_;
  std::span<std::byte> unread_;
  Operation operation_;
};

class WorkerWriter : public WriteChannel {
 public:
  WorkerWriter(Loop& loop, int fd, bool is_pipe, std::string name, std::size_t chunk)
      : loop_(loop),
        fd_(fd),
        is_pipe_(is_pipe),
        name_(std::move(name)),
        buffer_(std::make_shared<Buffer>(chunk)) {}

  std::optional<std::size_t> write(std::span<const std::byte> from) override {
    if (!reap()) return {};
    const std::size_t size = std::min(from.size(), buffer_->bytes.size());
    std::copy_n(from.begin(), size, buffer_->bytes.begin());
    loop_.run(
        operation_, [buffer = buffer_, fd = fd_, size] { return write_all(fd, buffer->bytes.data(), size); },
        Abandon::kDetach);
    return size;
  }

  std::size_t waiting() override {
    if (!reap()) return buffer_->bytes.size();
    return is_pipe_ ? waiting_in_pipe(fd_, name_) : 0;
  }

 private:
  static std::int64_t write_all(int fd, const std::byte* from, std::size_t size) {
    for (std::size_t done = 0; done < size;) {
      const auto count = ::write(fd, from + done, size - done);
      if (count == -1 && errno != EINTR) return -errno;
      if (count > 0) done += static_cast<std::size_t>(count);
    }
    return static_cast<std::int64_t>(size);
  }

  // Whether the last write is over.
  bool reap() {
    if (operation_.pending()) return false;
    if (!operation_.done()) return true;
    const std::int64_t count = operation_.take();
    if (count < 0) throw_errno(static_cast<int>(-count), Status::kFileIo, "write " + name_);
    return true;
  }

  Loop& loop_;
  int fd_;
  bool is_pipe_;
  std::string name_;
  std::shared_ptr<Buffer> buffer_;
  Operation operation_;
};

}  // namespace

std::unique_ptr<ReadChannel> open_for_reading(Loop& loop, int fd, const std::string& name,
                                              std::size_t chunk) {
  Access access = find_access(fd, O_RDONLY, name);
  if (access.manner == Manner::kWorker) return std::make_unique<WorkerReader>(loop, fd, name, chunk);
  return std::make_unique<DirectReader>(loop, std::move(access), name);
}

std::unique_ptr<WriteChannel> open_for_writing(Loop& loop, int fd, const std::string& name,
                                               std::size_t chunk) {
  Access access = find_access(fd, O_WRONLY, name);
  if (access.manner == Manner::kWorker) {
    return std::make_unique<WorkerWriter>(loop, fd, access.is_pipe, name, chunk);
  }
  return std::make_unique<DirectWriter>(loop, std::move(access), name);
}

}  // namespace rdpipe
