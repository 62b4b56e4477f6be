#include "ground/await_ready.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <limits>

namespace rdpipe {
namespace {

// As poll(2) takes it: too long rather than too short, so that nobody looks again and again.
int patience(Deadline deadline) {
  if (deadline.is_never()) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline.remaining()).count();
  return static_cast<int>(std::min<std::int64_t>(left, std::numeric_limits<int>::max()));
}

}  // namespace

short await_ready(int fd, short events, Deadline deadline) noexcept {
  pollfd one{.fd = fd, .events = events, .revents = 0};
  for (;;) {
    const int count = ::poll(&one, 1, patience(deadline));
    if (count > 0) return one.revents;
    if (count == 0 ? deadline.passed() : errno != EINTR) return 0;
  }
}

}  // namespace rdpipe
