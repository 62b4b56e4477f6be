// Memory for what a device reads and writes all the time: in huge pages where the system has some to give, so
// that the device's own translations are few, and otherwise in usual ones.
#pragma once

#include <cstddef>
#include <span>
#include <utility>

namespace rdpipe {

class HugeMemory {
 public:
  explicit HugeMemory(std::size_t bytes);  // throws Error{kMemory}
  HugeMemory(HugeMemory&& other) noexcept : bytes_(std::exchange(other.bytes_, {})), mapped_(other.mapped_) {}
  HugeMemory& operator=(HugeMemory&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    std::swap(mapped_, other.mapped_);
    return *this;
  }
  ~HugeMemory();

  [[nodiscard]] std::span<std::byte> bytes() const noexcept { return bytes_; }

 private:
  std::span<std::byte> bytes_;
  std::size_t mapped_ = 0;
};

}  // namespace rdpipe
