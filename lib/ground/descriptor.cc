#include "ground/descriptor.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>

namespace rdpipe {

Descriptor::~Descriptor() {
  if (fd_ >= 0) ::close(fd_);
}

int Descriptor::close() noexcept { return ::close(release()) == -1 ? errno : 0; }

Descriptor open_again(int fd, int mode) noexcept {
  std::array<char, 32> path{};
  std::snprintf(path.data(), path.size(), "/proc/self/fd/%d", fd);
  return Descriptor(::open(path.data(), mode | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
}

int try_close(int fd) noexcept {
  Descriptor same(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  return same ? same.close() : errno;
}

}  // namespace rdpipe
