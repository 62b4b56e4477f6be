// Which host this is, to know when sender and receiver are on one.
#pragma once

#include "seal/digest.h"

namespace rdpipe {

// The same for all processes of one running kernel, where a device and an inode are one file; after a boot
// another one. Without /proc, of this process alone. Any thread.
[[nodiscard]] const Digest128& this_host();

}  // namespace rdpipe
