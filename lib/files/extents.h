// Where a file has data and where it has holes, asked of the kernel as the reader gets there. It moves the
// position of the descriptor it is given, so that must be of our own description.
#pragma once

#include <cstdint>

namespace rdpipe {

// A run of the file: zeros that need not be read, or bytes that must be.
struct Extent {
  bool hole = false;
  std::uint64_t end = 0;  // offset of its end in the file
};

class ExtentScanner {
 public:
  // `enabled` false: everything is data.
  explicit ExtentScanner(bool enabled = false) noexcept : enabled_(enabled) {}

  // The extent at `offset` of a file of `size` bytes, offset < size. The ends of holes lie at multiples of
  // 4 KiB from `origin` or at `size`, so that what follows them stays aligned.
  [[nodiscard]] Extent at(int fd, std::uint64_t offset, std::uint64_t size, std::uint64_t origin);

 private:
  bool enabled_;
};

}  // namespace rdpipe
