#include "io/wakeup.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cassert>
#include <cerrno>
#include <cstdint>

#include "ground/error.h"

namespace rdpipe {

Wakeup::Wakeup() : eventfd_(check(::eventfd(0, EFD_CLOEXEC), Status::kMemory, "create an eventfd")) {}

void Wakeup::raise() noexcept {
  if (raised_.exchange(true, std::memory_order_acq_rel)) return;
  const int before = errno;
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(eventfd_.get(), &one, sizeof one);
  assert(written == sizeof one);
  errno = before;
}

}  // namespace rdpipe
