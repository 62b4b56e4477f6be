// An open file's content, whole or as digests. Blocks; for workers. A descriptor's position does not matter.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "seal/digest.h"

namespace rdpipe {

constexpr std::size_t kResumeUnit = 1_MiB;  // by which what is left of a file is compared
constexpr std::uint64_t kToItsEnd = std::numeric_limits<std::uint64_t>::max();

// Up to into.size() bytes from `offset`; less only at the file's end. -1 with errno set when it cannot be
// read; ECANCELED in a job that nobody wants any more.
[[nodiscard]] ssize_t read_fully(int fd, std::span<std::byte> into, std::uint64_t offset);
// The stream digest of `length` bytes from `offset`, or of what there is of them. Nothing with errno set
// where read_fully() fails.
[[nodiscard]] std::optional<Digest128> content_digest(int fd, std::uint64_t offset = 0,
                                                      std::uint64_t length = kToItsEnd);
// XXH3-128 of each whole or partial kResumeUnit of them.
[[nodiscard]] std::optional<std::vector<Digest128>> leaf_digests(int fd, std::uint64_t offset,
                                                                 std::uint64_t length);

// Whether what was read between two calls of fstat() may be neither what the file held before nor what it
// holds now. Where something was appended, what was there before counts as unchanged.
[[nodiscard]] bool was_rewritten(const struct stat& before, const struct stat& now);

}  // namespace rdpipe
