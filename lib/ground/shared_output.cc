#include "ground/shared_output.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>

#include "ground/await_ready.h"

namespace rdpipe {

Descriptor open_again(int fd, int mode) noexcept {
  std::array<char, 32> path{};
  std::snprintf(path.data(), path.size(), "/proc/self/fd/%d", fd);
  return Descriptor(::open(path.data(), mode | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
}

SharedOutput::SharedOutput(int fd, bool (*pressed)() noexcept) : fd_(fd), pressed_(pressed) {
  struct stat status {};
  if (::fstat(fd, &status) == -1) return;
  const bool is_terminal = S_ISCHR(status.st_mode) && ::isatty(fd) == 1;
  is_socket_ = S_ISSOCK(status.st_mode);
  may_block_ = S_ISFIFO(status.st_mode) || is_terminal;
  surely_ = is_terminal ? 1 : PIPE_BUF;
  if (may_block_) own_ = open_again(fd, O_WRONLY);
}

SharedOutput::~SharedOutput() = default;

std::size_t SharedOutput::write_now(std::string_view bytes) {
  ssize_t count = 0;
  if (is_socket_) {
    count = ::send(fd_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  } else if (own_) {
    count = ::write(own_.get(), bytes.data(), bytes.size());
  } else if (may_block_) {
    if (!await_room(Deadline::now())) return 0;
    count = ::write(fd_, bytes.data(), std::min(bytes.size(), surely_));
  } else {
    count = ::write(fd_, bytes.data(), bytes.size());
  }
  if (count >= 0) return static_cast<std::size_t>(count);
  return errno == EAGAIN || errno == EINTR ? 0 : bytes.size();
}

bool SharedOutput::await_room(Deadline until) const {
  constexpr auto kLook = std::chrono::milliseconds(100);  // whether somebody presses
  const int fd = own_ ? own_.get() : fd_;
  if (!until.is_never() || pressed_ == nullptr) return await_ready(fd, POLLOUT, until) != 0;
  while (await_ready(fd, POLLOUT, Deadline::in(kLook)) == 0) {
    if (pressed_()) return false;
  }
  return true;
}

bool SharedOutput::end_begun(Deadline until) {
  constexpr int kMoment = 1;  // milliseconds
  for (bool had_room = false; !begun_.empty();) {
    const std::size_t count = write_now(begun_);
    begun_.erase(0, count);
    if (count > 0) {
      is_stuck_ = had_room = false;
      continue;
    }
    if (had_room) ::poll(nullptr, 0, kMoment);  // there is some, and not enough
    if (!await_room(until) || until.passed()) return false;
    had_room = true;
  }
  return true;
}

bool SharedOutput::write(std::string_view text, Deadline until) {
  if (is_stuck_ && !until.is_never()) until = Deadline::now();
  const bool waits = !until.passed();
  bool is_begun = false;
  if (end_begun(until)) {
    begun_ = text;
    is_begun = end_begun(until) || begun_.size() < text.size();
    if (!is_begun) begun_.clear();
  }
  if (waits && (!is_begun || !begun_.empty())) is_stuck_ = true;
  return is_begun;
}

}  // namespace rdpipe
