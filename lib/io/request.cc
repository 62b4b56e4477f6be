#include "io/request.h"

#include <limits.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace rdpipe {
namespace {

constexpr std::uint64_t kOwnPosition = ~std::uint64_t{0};

template <typename Call>
std::int64_t uninterrupted(Call call) {
  for (;;) {
    const std::int64_t result = call();
    if (result >= 0) return result;
    if (errno != EINTR) return -errno;
  }
}

std::int64_t transfer_in_sequence(const Request& request) {
  const std::size_t size = std::min(request.size, kMaxTransfer);
  return uninterrupted([&] {
    return request.kind == Request::Kind::kRead ? ::read(request.fd, request.data, size)
                                                : ::write(request.fd, request.data, size);
  });
}

std::int64_t transfer_at(const Request& request) {
  const std::size_t size = std::min(request.size, kMaxTransfer);
  const auto offset = static_cast<off_t>(request.offset);
  return uninterrupted([&] {
    return request.kind == Request::Kind::kRead ? ::pread(request.fd, request.data, size, offset)
                                                : ::pwrite(request.fd, request.data, size, offset);
  });
}

std::int64_t transfer_without_sleeping(const Request& request) {
  const iovec memory{request.data, std::min(request.size, kMaxTransfer)};
  return uninterrupted([&] {
    return request.kind == Request::Kind::kRead ? ::preadv2(request.fd, &memory, 1, -1, RWF_NOWAIT)
                                                : ::pwritev2(request.fd, &memory, 1, -1, RWF_NOWAIT);
  });
}

}  // namespace

std::int64_t perform(const Request& request) {
  if (request.kind == Request::Kind::kSync) return uninterrupted([&] { return ::fdatasync(request.fd); });
  if (request.offset == kOwnPosition) return transfer_in_sequence(request);
  const std::int64_t result = transfer_at(request);
  return result == -ESPIPE ? transfer_in_sequence(request) : result;  // io_uring ignores the offset there
}

std::optional<std::int64_t> perform_ready(const Request& request) {
  std::int64_t result = transfer_without_sleeping(request);
  if (result == -EOPNOTSUPP) {
    // Pipes before Linux 6.4. A pipe that is ready has room for a page, and for more the call might sleep.
    Request part = request;
    if (part.kind == Request::Kind::kWrite) part.size = std::min<std::size_t>(part.size, PIPE_BUF);
    result = transfer_in_sequence(part);
  }
  if (result == -EAGAIN) return {};
  return result;
}

}  // namespace rdpipe
