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

std::string text_with_hint(const Error& error) {
  std::string text = error.what();
  if (!error.hint().empty()) text += ": " + error.hint();
  return text;
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

// Calls `replace` with each byte that must not be shown.
template <typename Replace>
std::string show(std::string_view text, std::size_t limit, Replace replace) {
  std::string out;
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    const auto first = static_cast<unsigned char>(text[0]);
    const bool shown = length != 0 && first >= 0x20 && first != 0x7F;
    const std::string more = shown ? std::string(text.substr(0, length)) : replace(first);
    if (out.size() + more.size() > limit) break;
    out += more;
    text.remove_prefix(shown ? length : 1);
  }
  return out;
}

// A backslash that would be read as the beginning of an escape.
bool looks_escaped(std::string_view text) {
  const auto is_digit = [](char letter) { return letter >= '0' && letter <= '9'; };
  return text.size() >= 5 && text.starts_with("\\#") && std::ranges::all_of(text.substr(2, 3), is_digit);
}

}  // namespace

std::string printable(std::string_view text, std::size_t limit) {
  return show(text, limit, [](unsigned char) { return std::string("?"); });
}

std::string escaped(std::string_view text, std::size_t limit) {
  std::string whole;
  for (std::size_t at = 0; at < text.size(); ++at) {
    whole += looks_escaped(text.substr(at)) ? "\\#134" : std::string(1, text[at]);
  }
  return show(whole, limit, [](unsigned char byte) { return fmt::format("\\#{:03o}", byte); });
}

}  // namespace rdpipe
