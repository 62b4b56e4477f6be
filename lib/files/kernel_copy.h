// One open file into another by the kernel alone: shared blocks where the file system can (reflink),
// otherwise copied without passing through this process; holes stay holes. Blocks; any thread.
#pragma once

#include <atomic>
#include <cstdint>

namespace rdpipe {

// The first `size` bytes of `from` into `to`, which is empty and becomes as long. 0, or an errno value (EIO
// when `from` is shorter, ECANCELED in a job that nobody wants any more). `done`, where there is one, grows
// by `size` in all while it gets on, and is as before when it fails.
[[nodiscard]] int copy_in_kernel(int from, int to, std::uint64_t size,
                                 std::atomic<std::uint64_t>* done = nullptr);

}  // namespace rdpipe
