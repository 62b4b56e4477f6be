#include "ground/descriptor.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace rdpipe {

Descriptor::~Descriptor() {
  if (fd_ >= 0) ::close(fd_);
}

int Descriptor::close() noexcept { return ::close(release()) == -1 ? errno : 0; }

int try_close(int fd) noexcept {
  Descriptor same(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  return same ? same.close() : errno;
}

}  // namespace rdpipe
