// One open file into another by the kernel alone: shared blocks where the file system can (reflink),
// otherwise copied without passing through this process; holes stay holes. Blocks; any thread.
#pragma once

#include <atomic>
#include <cstdint>

namespace rdpipe {

// The first `size` bytes of `from` into `to`, which is empty and becomes as long. 0, or an errno value (EIO
// when `from` is shorter; ECANCELED soon after `stops` is set).
[[nodiscard]] int copy_in_kernel(int from, int to, std::uint64_t size, const std::atomic<bool>& stops);

}  // namespace rdpipe
