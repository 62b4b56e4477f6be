#include "rdpipe/c_result.h"

#include <rdpipe/rdpipe.h>

#include <algorithm>
#include <array>

namespace rdpipe {
namespace {

// A thread's own, and no string: to say that memory lacks must need none.
thread_local std::array<char, 1024> last_error{};

}  // namespace

void fail_with(int error, std::string_view text) noexcept {
  text = text.substr(0, last_error.size() - 1);
  *std::copy(text.begin(), text.end(), last_error.begin()) = '\0';
  errno = error;
}

int errno_of(const Error& error) noexcept {
  switch (error.status()) {
    case Status::kUsage:
      return EINVAL;
    case Status::kProtocol:
      return EPROTO;
    case Status::kEndpoint:
      return EADDRNOTAVAIL;
    case Status::kAuthentication:
      return EACCES;
    case Status::kNetwork:
      return ECONNRESET;
    case Status::kDamaged:
      return EBADMSG;
    case Status::kMemory:
      return ENOMEM;
    case Status::kTimeout:
    case Status::kConnectTimeout:
      return ETIMEDOUT;
    default:
      return EIO;
  }
}

Deadline deadline_in(std::int64_t timeout_ns) {
  if (timeout_ns < 0) return Deadline::never();
  return timeout_ns == 0 ? Deadline::now() : Deadline::in(Nanoseconds(timeout_ns));
}

void require_pointer(const void* pointer, const char* what) {
  if (pointer == nullptr) throw Error(Status::kUsage, what, "there is none");
}

}  // namespace rdpipe

const char* rdpipe_last_error(void) { return rdpipe::last_error.data(); }
