#include "launch/pipe_stream.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <utility>

#include "ground/await_ready.h"

namespace rdpipe {
namespace {

bool would_block(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }

std::size_t total(std::span<const iovec> parts) {
  std::size_t bytes = 0;
  for (const iovec& part : parts) bytes += part.iov_len;
  return bytes;
}

bool is_ready(int fd, short events) { return await_ready(fd, events, Deadline::now()) != 0; }

msghdr message_of(std::span<iovec> parts) {
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  return message;
}

}  // namespace

PipeStream::PipeStream(Loop& loop, Descriptor in, Descriptor out, const std::string& peer)
    : loop_(&loop),
      in_(std::move(in)),
      out_(std::move(out)),
      read_way_(prepare(in_, O_RDONLY)),
      write_way_(prepare(out_, O_WRONLY)) {
  info_ = {.fabric = Fabric::kTcp, .device = "ssh", .local = "ssh", .peer = peer, .same_host = false};
  move_to(loop);
}

PipeStream::Way PipeStream::prepare(Descriptor& fd, int flags) {
  struct stat status {};
  if (::fstat(fd.get(), &status) == 0 && S_ISSOCK(status.st_mode)) return Way::kSocket;
  if ((::fcntl(fd.get(), F_GETFL) & O_NONBLOCK) != 0) return Way::kNonBlocking;
  if (!S_ISFIFO(status.st_mode)) return Way::kPolled;
  const std::string path = fmt::format("/proc/self/fd/{}", fd.get());
  Descriptor own(::open(path.c_str(), flags | O_NONBLOCK | O_CLOEXEC));
  if (!own) return Way::kPolled;
  fd = std::move(own);
  return Way::kNonBlocking;
}

ByteStream::Moved PipeStream::read(std::span<iovec> parts) {
  if (read_way_ == Way::kPolled && !is_ready(in_.get(), POLLIN)) {
    readable_->arm(POLLIN);
    return {};
  }
  msghdr message = message_of(parts);
  const ssize_t result = read_way_ == Way::kSocket
                             ? ::recvmsg(in_.get(), &message, MSG_DONTWAIT)
                             : ::readv(in_.get(), parts.data(), static_cast<int>(parts.size()));
  if (result == 0) return {.bytes = 0, .error = 0, .end = true};
  if (result < 0 && !would_block(errno)) return {.bytes = 0, .error = errno, .end = false};
  const std::size_t bytes = result < 0 ? 0 : static_cast<std::size_t>(result);
  if (bytes < total(parts)) readable_->arm(POLLIN);
  return {.bytes = bytes, .error = 0, .end = false};
}

ByteStream::Moved PipeStream::write(std::span<iovec> parts) {
  ssize_t result = 0;
  if (write_way_ == Way::kSocket) {
    const msghdr message = message_of(parts);
    result = ::sendmsg(out_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  } else if (write_way_ == Way::kNonBlocking) {
    result = ::writev(out_.get(), parts.data(), static_cast<int>(parts.size()));
  } else if (is_ready(out_.get(), POLLOUT)) {
    // A pipe that polls as writable takes this much without blocking.
    result = ::write(out_.get(), parts[0].iov_base, std::min<std::size_t>(parts[0].iov_len, PIPE_BUF));
  }
  if (result < 0 && !would_block(errno)) return {.bytes = 0, .error = errno, .end = false};
  const std::size_t bytes = result < 0 ? 0 : static_cast<std::size_t>(result);
  if (bytes < total(parts)) writable_->arm(POLLOUT);
  return {.bytes = bytes, .error = 0, .end = false};
}

void PipeStream::finish() {
  writable_.reset();
  if (write_way_ == Way::kSocket) ::shutdown(out_.get(), SHUT_WR);
  // Where both directions are one socket the other descriptor stays.
  writable_.emplace(*loop_, in_.get());
  out_.reset();
}

void PipeStream::move_to(Loop& loop) {
  const bool was_full = writable_ && writable_->armed();
  readable_.reset();
  writable_.reset();
  loop_ = &loop;
  readable_.emplace(loop, in_.get());
  writable_.emplace(loop, out_ ? out_.get() : in_.get());
  readable_->arm(POLLIN);
  if (was_full) writable_->arm(POLLOUT);
}

}  // namespace rdpipe
