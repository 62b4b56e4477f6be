// Checkers for each convention of reporting errors, which throw Error. Expected outcomes (end of a source, a
// wrong key, a malformed frame) are values, never this.
#pragma once

#include <string>
#include <string_view>

#include "ground/exception.h"

namespace rdpipe {

// The text of an errno value, thread-safe.
[[nodiscard]] std::string errno_text(int error);

// What a notice says of an error that is none in the end: attempt, cause and hint.
[[nodiscard]] std::string text_with_hint(const Error& error);

// Throws Error{status, attempt, text of `error`}.
[[noreturn]] void throw_errno(int error, Status status, std::string_view attempt);

// One checker for each convention of reporting errors. errno is read before anything is formatted.
int check(int result, Status status, std::string_view attempt);           // -1 and errno
long check_long(long result, Status status, std::string_view attempt);    // -1 and errno
void check_value(int error, Status status, std::string_view attempt);     // 0 or an errno value
int check_negative(int result, Status status, std::string_view attempt);  // -errno
template <typename T>
T* check_pointer(T* result, Status status, std::string_view attempt) {  // null and errno
  check(result == nullptr ? -1 : 0, status, attempt);
  return result;
}

// `text` with control characters and invalid UTF-8 replaced, cut to `limit` bytes: what came from outside and
// goes to a terminal.
[[nodiscard]] std::string printable(std::string_view text, std::size_t limit = 400);
// The same with each such byte as `\#ooo` (octal), as rsync writes names: from a line, the name can be told.
[[nodiscard]] std::string escaped(std::string_view text, std::size_t limit);

}  // namespace rdpipe
