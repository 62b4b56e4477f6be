#include "readiness.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <ctime>

#include "open_descriptor.h"

namespace rdpipe::tools {
namespace {

// By which the supervisor tells the end of this reload from that of an earlier one.
long long monotonic_usec() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<long long>(now.tv_sec) * 1'000'000 + now.tv_nsec / 1'000;
}

}  // namespace

Readiness::Readiness() {
  const char* address = std::getenv("NOTIFY_SOCKET");
  if (address == nullptr) return;
  address_ = address;
  ::unsetenv("NOTIFY_SOCKET");
}

void Readiness::ready(const std::string& status) const {
  std::string line = status;
  // A line of its own would be another message.
  std::replace_if(
      line.begin(), line.end(), [](unsigned char c) { return c < 0x20; }, '?');
  tell(fmt::format("READY=1\nSTATUS={}\n", line));
}

void Readiness::reloading() const { tell(fmt::format("RELOADING=1\nMONOTONIC_USEC={}\n", monotonic_usec())); }

void Readiness::stopping() const { tell("STOPPING=1\n"); }

void Readiness::tell(const std::string& message) const {
  sockaddr_un to{};
  if (address_.size() < 2 || address_.size() >= sizeof to.sun_path) return;
  if (address_.front() != '/' && address_.front() != '@') return;
  to.sun_family = AF_UNIX;
  std::copy(address_.begin(), address_.end(), to.sun_path);
  if (address_.front() == '@') to.sun_path[0] = '\0';
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address_.size());
  const OpenDescriptor socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  // The whole name is the address: of an abstract one a NUL behind it would be a part.
  static_cast<void>(::sendto(socket.get(), message.data(), message.size(), MSG_NOSIGNAL,
                             reinterpret_cast<const sockaddr*>(&to), size));
}

}  // namespace rdpipe::tools
