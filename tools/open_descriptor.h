// A descriptor that is closed when it goes; -1: none.
#pragma once

#include <unistd.h>

namespace rdpipe::tools {

class OpenDescriptor {
 public:
  explicit OpenDescriptor(int fd) noexcept : fd_(fd) {}
  OpenDescriptor(const OpenDescriptor&) = delete;
  OpenDescriptor& operator=(const OpenDescriptor&) = delete;
  ~OpenDescriptor() {
    if (fd_ != -1) ::close(fd_);
  }
  [[nodiscard]] int get() const noexcept { return fd_; }

 private:
  int fd_;
};

}  // namespace rdpipe::tools
