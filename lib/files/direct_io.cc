#include "files/direct_io.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>

namespace rdpipe {
namespace {

constexpr std::size_t kSampleWindow = 64_KiB;
constexpr std::uint64_t kSampleWindows = 16;
constexpr long kXfsMagic = 0x58465342;  // <linux/magic.h> has it only from Linux 5.10 on

// Bytes of one window of a mapping that are in the page cache.
std::size_t resident_bytes(std::byte* window) {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));  // 4 KiB to 64 KiB
  std::array<unsigned char, kSampleWindow / kPageSize> pages{};
  if (::mincore(window, kSampleWindow, pages.data()) == -1) return 0;
  const auto resident =
      std::count_if(pages.begin(), pages.end(), [](unsigned char state) { return (state & 1) != 0; });
  return static_cast<std::size_t>(resident) * page;
}

}  // namespace

Descriptor reopen(int fd, int flags) {
  const auto path = fmt::format("/proc/self/fd/{}", fd);
  return Descriptor(::open(path.c_str(), flags | O_CLOEXEC | O_NOCTTY));
}

bool is_on_local_disk(int fd) {
  struct stat status {};
  if (::fstat(fd, &status) == -1) return false;
  if (S_ISBLK(status.st_mode)) return true;
  struct statfs system {};
  if (!S_ISREG(status.st_mode) || ::fstatfs(fd, &system) == -1) return false;
  return system.f_type == EXT4_SUPER_MAGIC || system.f_type == kXfsMagic;
}

bool is_mostly_cached(int fd, std::uint64_t size) {
  if (size < kSampleWindow) return true;
  void* const mapping = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
  if (mapping == MAP_FAILED) return false;
  std::uint64_t resident = 0;
  for (std::uint64_t i = 0; i < kSampleWindows; ++i) {
    const auto at = (size - kSampleWindow) / (kSampleWindows - 1) * i / kSampleWindow * kSampleWindow;
    resident += resident_bytes(static_cast<std::byte*>(mapping) + at);
  }
  ::munmap(mapping, size);
  return resident * 2 >= kSampleWindows * kSampleWindow;
}

}  // namespace rdpipe
