#include "files/extents.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "ground/units.h"

namespace rdpipe {
namespace {

std::uint64_t align_up(std::uint64_t offset, std::uint64_t origin) {
  return origin + (offset - origin + kPageSize - 1) / kPageSize * kPageSize;
}

std::uint64_t align_down(std::uint64_t offset, std::uint64_t origin) {
  return origin + (offset - origin) / kPageSize * kPageSize;
}

}  // namespace

Extent ExtentScanner::at(int fd, std::uint64_t offset, std::uint64_t size, std::uint64_t origin) {
  if (!enabled_) return {false, size};
  const auto data = ::lseek(fd, static_cast<off_t>(offset), SEEK_DATA);
  if (data == -1 && errno == ENXIO) {
    // Nothing but a hole to the file's end. A file that shrank meanwhile must not pass for zeros.
    const auto end = ::lseek(fd, 0, SEEK_END);
    const bool whole = end >= 0 && static_cast<std::uint64_t>(end) >= size;
    return {whole, size};
  }
  if (data == -1) {  // a file system that does not know
    enabled_ = false;
    return {false, size};
  }
  const auto data_begin = std::min(static_cast<std::uint64_t>(data), size);
  const auto hole_end = data_begin == size ? size : align_down(data_begin, origin);
  if (hole_end > offset) return {true, hole_end};
  const auto hole = ::lseek(fd, static_cast<off_t>(data_begin), SEEK_HOLE);
  if (hole == -1) return {false, size};
  return {false, std::min(size, align_up(static_cast<std::uint64_t>(hole), origin))};
}

}  // namespace rdpipe
