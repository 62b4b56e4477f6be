#include "rdpipe/c_result.h"

#include <rdpipe/rdpipe.h>

#include <algorithm>
#include <array>

namespace rdpipe {
namespace {

// A thread's own, and no string: to say that memory lacks must need none.
thread_local std::array<char, 1024> last_error{};

// The front of `text` that fits into `room` bytes, cut between two characters.
std::string_view cut(std::string_view text, std::size_t room) {
  if (text.size() <= room) return text;
  const auto continues = [](char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; };
  while (room > 0 && continues(text[room])) --room;
  return text.substr(0, room);
}

// A hint as far as it does not speak of the tools and their options.
std::string_view hint_for_programs(std::string_view hint) {
  const auto tool = std::min(hint.find("--"), hint.find("rdrecv"));
  if (tool == std::string_view::npos) return hint;
  const auto end = hint.find_last_of(";?.", tool);
  if (end == std::string_view::npos) return {};
  return hint.substr(0, hint[end] == ';' ? end : end + 1);
}

}  // namespace

void fail_with(int error, std::initializer_list<std::string_view> parts) noexcept {
  char* at = last_error.data();
  char* const end = at + last_error.size() - 1;
  const auto add = [&](std::string_view text) {
    text = cut(text, static_cast<std::size_t>(end - at));
    at = std::copy(text.begin(), text.end(), at);
  };
  for (const std::string_view part : parts) {
    if (part.empty()) continue;
    if (at != last_error.data()) add(": ");
    add(part);
  }
  *at = '\0';
  errno = error;
}

void fail_with(int error, const Error& thrown) noexcept {
  fail_with(error, {thrown.what(), hint_for_programs(thrown.hint())});
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

int errno_of_stream(const Error& error) noexcept {
  const int value = errno_of(error);
  const bool is_end = value == EBADMSG || value == EPROTO || value == ENOMEM;
  return is_end || !error.from_peer() ? value : EIO;
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
