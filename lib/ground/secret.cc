#include "ground/secret.h"

#include <string.h>  // NOLINT: explicit_bzero is not in <cstring>
#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "ground/error.h"

namespace rdpipe {
namespace {

constexpr std::size_t kCopied = 1024;  // as long as a passphrase may be

}  // namespace

Secret::Secret(std::string_view text) : bytes_(text.size()) {
  if (!text.empty()) std::memcpy(bytes_.data(), text.data(), text.size());
}

Secret& Secret::operator=(Secret&& other) noexcept {
  if (this != &other) {
    wipe(bytes_);
    bytes_ = std::move(other.bytes_);
  }
  return *this;
}

Secret::~Secret() { wipe(bytes_); }

std::string_view Secret::text() const {
  return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()};
}

// A copy leaves what it has copied in vector registers, too: a new thread inherits them, and the dynamic
// linker saves them to the stack. So as many zeros go the same way, which is through the library's own
// function.
void wipe(std::span<std::byte> bytes) noexcept {
  void* (*const volatile copy)(void*, const void*, std::size_t) = std::memcpy;  // not made of other code
  std::array<std::byte, kCopied> copied;
  while (!bytes.empty()) {
    const std::size_t count = std::min(bytes.size(), copied.size());
    ::explicit_bzero(bytes.data(), count);
    copy(copied.data(), bytes.data(), count);
    bytes = bytes.subspan(count);
  }
}

void fill_random(std::span<std::byte> bytes) {
  while (!bytes.empty()) {
    const auto count = ::getrandom(bytes.data(), bytes.size(), 0);
    if (count == -1 && errno == EINTR) continue;
    check_long(count, Status::kMemory, "getrandom");
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
}

}  // namespace rdpipe
