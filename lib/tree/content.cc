#include "tree/content.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "io/workers.h"

namespace rdpipe {
namespace {

constexpr std::size_t kReadSize = 256_KiB;

}  // namespace

ssize_t read_fully(int fd, std::span<std::byte> into, std::uint64_t offset) {
  if (is_unwanted()) {
    errno = ECANCELED;
    return -1;
  }
  std::size_t got = 0;
  while (got < into.size()) {
    const ssize_t count = ::pread(fd, into.data() + got, into.size() - got, static_cast<off_t>(offset + got));
    if (count == -1 && errno == EINTR) continue;
    if (count == -1) return -1;
    if (count == 0) break;
    got += static_cast<std::size_t>(count);
  }
  return static_cast<ssize_t>(got);
}

std::optional<Digest128> content_digest(int fd, std::uint64_t offset, std::uint64_t length) {
  StreamDigest digest;
  std::vector<std::byte> buffer(kReadSize);
  while (digest.length() < length) {
    const auto want = static_cast<std::size_t>(std::min<std::uint64_t>(kReadSize, length - digest.length()));
    const ssize_t count = read_fully(fd, std::span(buffer).first(want), offset + digest.length());
    if (count == -1) return {};
    digest.add(std::span(buffer).first(static_cast<std::size_t>(count)));
    if (static_cast<std::size_t>(count) < want) break;
  }
  return digest.root();
}

std::optional<std::vector<Digest128>> leaf_digests(int fd, std::uint64_t offset, std::uint64_t length) {
  std::vector<Digest128> leaves;
  std::vector<std::byte> buffer(kResumeUnit);
  for (std::uint64_t at = 0; at < length; at += kResumeUnit) {
    const auto want = static_cast<std::size_t>(std::min<std::uint64_t>(kResumeUnit, length - at));
    const ssize_t count = read_fully(fd, std::span(buffer).first(want), offset + at);
    if (count == -1) return {};
    if (static_cast<std::size_t>(count) < want) break;
    leaves.push_back(digest_of(std::span(buffer).first(want)));
  }
  return leaves;
}

bool was_rewritten(const struct stat& before, const struct stat& now) {
  const bool touched =
      before.st_mtim.tv_sec != now.st_mtim.tv_sec || before.st_mtim.tv_nsec != now.st_mtim.tv_nsec;
  return now.st_size < before.st_size || (touched && now.st_size == before.st_size);
}

}  // namespace rdpipe
