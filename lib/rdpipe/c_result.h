// How functions of the C ABI fail: what their work throws becomes errno and this thread's last error. Nothing
// gets through, the cancellation of the thread neither.
#pragma once

#include <pthread.h>

#include <cerrno>
#include <cstdint>
#include <exception>
#include <initializer_list>
#include <new>
#include <string_view>

#include "ground/deadline.h"
#include "ground/error.h"

namespace rdpipe {

// Sets errno and the text: `parts`, those that are not empty, with colons between them. Needs no memory.
void fail_with(int error, std::initializer_list<std::string_view> parts) noexcept;
inline void fail_with(int error, std::string_view text) noexcept { fail_with(error, {text}); }
void fail_with(int error, const Error& thrown) noexcept;

using ErrnoOf = int (*)(const Error& error) noexcept;
[[nodiscard]] int errno_of(const Error& error) noexcept;
// The same for calls of a stream: where its peer has ended it, for whatever reason, it is over here.
[[nodiscard]] int errno_of_stream(const Error& error) noexcept;

// As long as it lives, the thread is not cancelled: to unwind a call halfway would be no better than to
// throw.
class Uncancelled {
 public:
  Uncancelled() noexcept { ::pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before_); }
  Uncancelled(const Uncancelled&) = delete;
  Uncancelled& operator=(const Uncancelled&) = delete;
  ~Uncancelled() { ::pthread_setcancelstate(before_, nullptr); }

 private:
  int before_ = PTHREAD_CANCEL_ENABLE;
};

// What `work` returns; `failed` when it throws.
template <typename Result, typename Work>
Result guarded(Result failed, Work work, ErrnoOf its_errno = errno_of) noexcept {
  const Uncancelled uncancelled;
  try {
    return work();
  } catch (const Error& error) {
    fail_with(its_errno(error), error);
  } catch (const std::bad_alloc&) {
    fail_with(ENOMEM, "out of memory");
  } catch (const std::exception& error) {
    fail_with(EIO, error.what());
  } catch (...) {
    fail_with(EIO, "a function of the program has thrown something");
  }
  return failed;
}

// The end of `object`, which may be null.
template <typename T>
void destroy(T* object) noexcept {
  const Uncancelled uncancelled;
  delete object;
}

[[nodiscard]] Deadline deadline_in(std::int64_t timeout_ns);

// Refuses a pointer that is null.
void require_pointer(const void* pointer, const char* what);

}  // namespace rdpipe
