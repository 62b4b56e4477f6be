// When O_DIRECT pays, and how to get it: decisions taken once a file, on its owner's thread. O_DIRECT is only
// ever set on a description of our own, opened beside the buffered one: the same file through two
// descriptors, aligned pieces on one and the odd tail on the other.
#pragma once

#include <cstddef>
#include <cstdint>

#include "files/files.h"
#include "ground/descriptor.h"
#include "ground/units.h"

namespace rdpipe {

// Below this size a file is not worth the second open and the cold reads of whoever uses it next. Measured on
// ext4: 3 GiB written through the page cache takes 0.9 to 5.5 s and a whole core, with O_DIRECT 1.2 s and a
// fifth of a core.
constexpr std::uint64_t kDirectThreshold = 64_MiB;

// O_DIRECT wants offset, length and memory aligned; payloads always are.
[[nodiscard]] constexpr bool is_direct_aligned(std::uint64_t offset, std::uint64_t length) {
  return offset % kPageSize == 0 && length % kPageSize == 0;
}

// The same file with a description of its own: `access` is O_RDONLY or O_WRONLY, more flags may be added.
// Nothing, with errno set, where that is refused (no /proc, no permission, no O_DIRECT).
[[nodiscard]] Descriptor reopen(int fd, int flags);

// True for a block device and for a local file system on one that writes in place (ext2/3/4, xfs); network,
// copy-on-write and memory file systems lose by O_DIRECT or refuse it.
[[nodiscard]] bool is_on_local_disk(int fd);

// True when at least half of a sample of the file's first `size` bytes is in the page cache already.
[[nodiscard]] bool is_mostly_cached(int fd, std::uint64_t size);

}  // namespace rdpipe
