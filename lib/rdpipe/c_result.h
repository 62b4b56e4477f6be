// How functions of the C ABI fail: what their work throws becomes errno and this thread's last error. Nothing
// gets through.
#pragma once

#include <cerrno>
#include <cstdint>
#include <exception>
#include <new>
#include <string_view>

#include "ground/deadline.h"
#include "ground/error.h"

namespace rdpipe {

// Sets errno and the text.
void fail_with(int error, std::string_view text) noexcept;
[[nodiscard]] int errno_of(const Error& error) noexcept;

// What `work` returns; `failed` when it throws.
template <typename Result, typename Work>
Result guarded(Result failed, Work work, int (*errno_for)(const Error&) noexcept = errno_of) noexcept {
  try {
    return work();
  } catch (const Error& error) {
    fail_with(errno_for(error), text_with_hint(error));
  } catch (const std::bad_alloc&) {
    fail_with(ENOMEM, "out of memory");
  } catch (const std::exception& error) {
    fail_with(EIO, error.what());
  }
  return failed;
}

[[nodiscard]] Deadline deadline_in(std::int64_t timeout_ns);

// Refuses a pointer that is null.
void require_pointer(const void* pointer, const char* what);

}  // namespace rdpipe
