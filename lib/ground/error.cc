#include "ground/error.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace rdpipe {

Error::Error(Status status, std::string attempt, std::string cause, std::string hint)
    : status_(status), attempt_(std::move(attempt)), cause_(std::move(cause)), hint_(std::move(hint)) {
  what_ = attempt_.empty() ? cause_ : fmt::format("{}: {}", attempt_, cause_);
}

std::string errno_text(int error) {
  char buffer[128];
  return ::strerror_r(error, buffer, sizeof buffer);  // the GNU form: the text may be elsewhere
}

void throw_errno(int error, Status status, std::string_view attempt) {
  throw Error(status, std::string(attempt), errno_text(error));
}

int check(int result, Status status, std::string_view attempt) {
  if (result == -1) throw_errno(errno, status, attempt);
  return result;
}

long check_long(long result, Status status, std::string_view attempt) {
  if (result == -1) throw_errno(errno, status, attempt);
  return result;
}

void check_value(int error, Status status, std::string_view attempt) {
  if (error != 0) throw_errno(error, status, attempt);
}

int check_negative(int result, Status status, std::string_view attempt) {
  if (result < 0) throw_errno(-result, status, attempt);
  return result;
}

namespace {

// Length of the well-formed UTF-8 sequence at the front of `text`, or 0.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  const std::size_t length = lead < 0x80                   ? 1
                             : lead >= 0xC2 && lead < 0xE0 ? 2
                             : lead >= 0xE0 && lead < 0xF0 ? 3
                             : lead >= 0xF0 && lead < 0xF5 ? 4
                                                           : 0;
  if (length == 0 || length > text.size()) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  const bool c1_control = lead == 0xC2 && byte(1) < 0xA0;
  // Longer than need be (which may hide a control character), half of a pair, or beyond Unicode.
  const bool overlong = (lead == 0xE0 && byte(1) < 0xA0) || (lead == 0xF0 && byte(1) < 0x90);
  const bool no_character = (lead == 0xED && byte(1) >= 0xA0) || (lead == 0xF4 && byte(1) >= 0x90);
  return c1_control || overlong || no_character ? 0 : length;
}

}  // namespace

std::string printable(std::string_view text, std::size_t limit) {
  std::string out;
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    if (out.size() + std::max<std::size_t>(1, length) > limit) break;
    const auto first = static_cast<unsigned char>(text[0]);
    if (length == 0 || first < 0x20 || first == 0x7F) {
      out += '?';
      text.remove_prefix(1);
    } else {
      out += text.substr(0, length);
      text.remove_prefix(length);
    }
  }
  return out;
}

}  // namespace rdpipe
