#include "readiness.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdlib>
#include <string>

#include "catch.h"

namespace rdpipe::tools {
namespace {

// A supervisor's socket, with an abstract name.
class Supervisor {
 public:
  Supervisor() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::copy(name_.begin(), name_.end(), address.sun_path + 1);
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name_.size());
    REQUIRE(::bind(socket_, reinterpret_cast<const sockaddr*>(&address), size) == 0);
    ::setenv("NOTIFY_SOCKET", ("@" + name_).c_str(), 1);
  }
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;
  ~Supervisor() { ::close(socket_); }

  [[nodiscard]] std::string next() const {
    std::array<char, 256> text{};
    const auto size = ::recv(socket_, text.data(), text.size(), MSG_DONTWAIT);
    return size < 0 ? "" : std::string(text.data(), static_cast<std::size_t>(size));
  }

 private:
  std::string name_ = "rdpipe-readiness-" + std::to_string(::getpid());
  int socket_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
};

}  // namespace

TEST_CASE("a supervisor hears how far the server is") {
  const Supervisor supervisor;
  const Readiness readiness;
  readiness.ready("serving 'a\nMAINPID=1'");
  CHECK(supervisor.next() == "READY=1\nSTATUS=serving 'a?MAINPID=1'\n");
  readiness.reloading();
  const std::string reloading = supervisor.next();
  CHECK(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="));
  CHECK(std::stoll(reloading.substr(reloading.rfind('=') + 1)) > 0);
  readiness.stopping();
  CHECK(supervisor.next() == "STOPPING=1\n");
}

TEST_CASE("what the supervisor listens on is for this process alone") {
  const Supervisor supervisor;
  const Readiness readiness;
  CHECK(std::getenv("NOTIFY_SOCKET") == nullptr);
  Readiness().ready("nobody listens");
  CHECK(supervisor.next().empty());
}

TEST_CASE("a socket that is none is passed over") {
  for (const std::string& address : {std::string(), std::string("@"), std::string("relative"),
                                     std::string("/nonexistent"), "/" + std::string(200, 'a')}) {
    ::setenv("NOTIFY_SOCKET", address.c_str(), 1);
    Readiness().ready("nobody listens");
  }
}

}  // namespace rdpipe::tools
