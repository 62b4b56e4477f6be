// The stream digest of an open file's content, read from its beginning to its end. Blocks; for workers.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "seal/digest.h"

namespace rdpipe {

// Nothing with errno set when it cannot be read; ECANCELED in a job that nobody wants any more. The
// descriptor's position does not matter.
[[nodiscard]] std::optional<Digest128> content_digest(int fd);
// XXH3-128 of each whole or partial 1 MiB of its first `length` bytes.
[[nodiscard]] std::optional<std::vector<Digest128>> leaf_digests(int fd, std::uint64_t length);

}  // namespace rdpipe
