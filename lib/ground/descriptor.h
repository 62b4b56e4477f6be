// A file descriptor with one owner: closed when the owner goes.
#pragma once

#include <utility>

namespace rdpipe {

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) noexcept : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    Descriptor taken(std::move(other));  // what this held is closed at the end of this call
    std::swap(fd_, taken.fd_);
    return *this;
  }
  ~Descriptor();

  [[nodiscard]] int get() const noexcept { return fd_; }
  [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }
  void reset() noexcept { Descriptor(std::move(*this)); }
  // Closes it, and says what came of that: NFS and its like only then tell of a full disk. 0 or an errno
  // value.
  [[nodiscard]] int close() noexcept;
  explicit operator bool() const noexcept { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// What close() would say of a file that stays open. 0 or an errno value.
[[nodiscard]] int try_close(int fd) noexcept;

}  // namespace rdpipe
