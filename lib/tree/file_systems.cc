#include "tree/file_systems.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace rdpipe {

void FileSystems::see(int fd) {
  struct stat status {};
  if (::fstat(fd, &status) == -1) return;
  const std::lock_guard lock(mutex_);
  Descriptor& open = seen_[status.st_dev];
  if (open) return;
  const bool is_directory = S_ISDIR(status.st_mode);
  open = Descriptor(is_directory ? ::openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
                                 : ::fcntl(fd, F_DUPFD_CLOEXEC, 0));
}

int FileSystems::sync() {
  const std::lock_guard lock(mutex_);
  for (const auto& [device, open] : seen_) {
    if (!open) {
      ::sync();  // whatever there is
    } else if (::syncfs(open.get()) == -1) {
      return errno;
    }
  }
  return 0;
}

}  // namespace rdpipe
