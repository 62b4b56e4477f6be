// Digests of an open file's content. Blocks; for workers.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "seal/digest.h"

namespace rdpipe {

constexpr std::uint64_t kToItsEnd = std::numeric_limits<std::uint64_t>::max();

// The stream digest of `length` bytes from `offset`, or of what there is of them. Nothing with errno set when
// it cannot be read; ECANCELED in a job that nobody wants any more. The descriptor's position does not
// matter.
[[nodiscard]] std::optional<Digest128> content_digest(int fd, std::uint64_t offset = 0,
                                                      std::uint64_t length = kToItsEnd);
// XXH3-128 of each whole or partial 1 MiB of them.
[[nodiscard]] std::optional<std::vector<Digest128>> leaf_digests(int fd, std::uint64_t offset,
                                                                 std::uint64_t length);

}  // namespace rdpipe
