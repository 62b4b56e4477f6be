#include "files/kernel_copy.h"

#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <vector>

#include "ground/units.h"
#include "io/workers.h"

namespace rdpipe {
namespace {

constexpr std::uint64_t kPiece = 16_MiB;  // between two looks at whether anybody wants it

bool means_unsupported(int error) {
  return error == EXDEV || error == EOPNOTSUPP || error == EINVAL || error == ENOSYS || error == EBADF ||
         error == ETXTBSY || error == EPERM;
}

// Says how far a copy is, to whom it may concern.
class Count {
 public:
  explicit Count(std::atomic<std::uint64_t>* done) : done_(done) {}
  // So many bytes of the file are through, counted from its beginning.
  void reach(std::uint64_t bytes) {
    if (done_ != nullptr) *done_ += bytes - reached_;
    reached_ = bytes;
  }

 private:
  std::atomic<std::uint64_t>* done_;
  std::uint64_t reached_ = 0;
};

int copy_by_hand(int from, int to, std::uint64_t at, std::uint64_t end, Count& count) {
  std::vector<std::byte> buffer(1_MiB);
  while (at < end) {
    if (is_unwanted()) return ECANCELED;
    const auto want = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), end - at));
    const ssize_t got = ::pread(from, buffer.data(), want, static_cast<off_t>(at));
    if (got == -1 && errno == EINTR) continue;
    if (got <= 0) return got == 0 ? EIO : errno;
    for (ssize_t done = 0; done < got;) {
      const auto rest = static_cast<std::size_t>(got - done);
      const ssize_t put = ::pwrite(to, buffer.data() + done, rest, static_cast<off_t>(at) + done);
      if (put == -1 && errno == EINTR) continue;
      if (put <= 0) return put == 0 ? EIO : errno;
      done += put;
    }
    at += static_cast<std::uint64_t>(got);
    count.reach(at);
  }
  return 0;
}

int copy_data(int from, int to, std::uint64_t at, std::uint64_t end, Count& count) {
  while (at < end) {
    if (is_unwanted()) return ECANCELED;
    auto in = static_cast<off64_t>(at);
    auto out = in;
    const auto want = static_cast<std::size_t>(std::min<std::uint64_t>(end - at, kPiece));
    const ssize_t got = ::copy_file_range(from, &in, to, &out, want, 0);
    if (got == -1 && errno == EINTR) continue;
    if (got == -1 && means_unsupported(errno)) return copy_by_hand(from, to, at, end, count);
    if (got == -1) return errno;
    // Some file systems say so of what they cannot.
    if (got == 0) return copy_by_hand(from, to, at, end, count);
    at += static_cast<std::uint64_t>(got);
    count.reach(at);
  }
  return 0;
}

int copy_all(int from, int to, std::uint64_t size, Count& count) {
  if (::ioctl(to, FICLONE, from) == 0) return ::ftruncate(to, static_cast<off_t>(size)) == -1 ? errno : 0;
  for (std::uint64_t at = 0; at < size;) {
    const off_t data = ::lseek(from, static_cast<off_t>(at), SEEK_DATA);
    if (data == -1 && errno == ENXIO) break;  // the rest is a hole
    const std::uint64_t begin = data == -1 ? at : static_cast<std::uint64_t>(data);
    const off_t hole = data == -1 ? -1 : ::lseek(from, data, SEEK_HOLE);
    const std::uint64_t end = hole == -1 ? size : std::min(size, static_cast<std::uint64_t>(hole));
    if (begin >= size) break;
    if (is_unwanted()) return ECANCELED;
    if (const int error = copy_data(from, to, begin, end, count); error != 0) return error;
    at = end;
  }
  return ::ftruncate(to, static_cast<off_t>(size)) == -1 ? errno : 0;
}

}  // namespace

int copy_in_kernel(int from, int to, std::uint64_t size, std::atomic<std::uint64_t>* done) {
  Count count(done);
  const int error = copy_all(from, to, size, count);
  count.reach(error == 0 ? size : 0);
  return error;
}

}  // namespace rdpipe
