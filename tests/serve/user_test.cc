// Becoming another user, each time in a process of its own.
#include "serve/user.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

#include "catch.h"
#include "files/scratch.h"
#include "ground/error.h"

using namespace rdpipe;
using namespace rdpipe::test;

namespace {

// Only root can become somebody.
bool is_not_root() {
  if (::geteuid() == 0) return false;
  WARN("skipped: not root");
  return true;
}

// What `action` returns in a child, 0 to 99; 100 when it throws.
int in_child(const std::function<int()>& action) {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    int result = 100;
    try {
      result = action();
    } catch (...) {  // NOLINT(bugprone-empty-catch): 100
    }
    ::_exit(result);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  return WEXITSTATUS(status);
}

// The status of the Error that it throws, 0 for none.
int status_of_becoming(const std::string& user) {
  try {
    become_user(user);
  } catch (const Error& error) {
    return static_cast<int>(error.status());
  }
  return 0;
}

constexpr int kUsage = static_cast<int>(Status::kUsage);
constexpr int kEndpoint = static_cast<int>(Status::kEndpoint);

}  // namespace

TEST_CASE("root becomes another user with the user's groups, and never root again") {
  if (is_not_root()) return;
  CHECK(in_child([] {
          become_user("nobody");
          const bool is_nobody = ::getuid() == 65534 && ::geteuid() == 65534;
          const bool is_nogroup = ::getgid() == 65534 && ::getegid() == 65534;
          gid_t groups[8];
          const bool has_no_other = ::getgroups(8, groups) == 1 && groups[0] == 65534;
          const bool is_root_again = ::setuid(0) == 0 || ::seteuid(0) == 0 || ::setgroups(0, nullptr) == 0;
          return is_nobody && is_nogroup && has_no_other && !is_root_again ? 0 : 1;
        }) == 0);
}

TEST_CASE("a group may be named besides") {
  if (is_not_root()) return;
  CHECK(in_child([] {
          become_user("nobody:daemon");
          return ::getuid() == 65534 && ::getgid() == 1 && ::getegid() == 1 ? 0 : 1;
        }) == 0);
}

TEST_CASE("what is open stays reachable through /proc by who has become another user") {
  if (is_not_root()) return;
  const Scratch scratch;
  put(scratch / "file", "content");
  REQUIRE(::chown((scratch / "file").c_str(), 65534, 65534) == 0);
  const Descriptor file(::open((scratch / "file").c_str(), O_PATH | O_CLOEXEC));
  CHECK(in_child([&] {
          become_user("nobody");
          const std::string path = fmt::format("/proc/self/fd/{}", file.get());
          const Descriptor again(::open(path.c_str(), O_RDWR | O_CLOEXEC));
          return again && ::chmod(path.c_str(), 0600) == 0 ? 0 : 1;
        }) == 0);
}

TEST_CASE("names that do not exist are refused, and nothing changes") {
  for (const std::string name : {"no-such-user", "", ":", "root:no-such-group", "root:", ":root", "0"}) {
    INFO(name);
    const uid_t before = ::geteuid();
    CHECK(in_child([&] { return ::geteuid() == before ? status_of_becoming(name) : 99; }) == kUsage);
  }
}

TEST_CASE("who is that user already stays as they are, and others cannot become anybody") {
  if (is_not_root()) return;
  CHECK(in_child([] { return status_of_becoming("root"); }) == 0);
  CHECK(in_child([] {
          become_user("nobody");
          return status_of_becoming("nobody") + status_of_becoming("nobody:nogroup");
        }) == 0);
  CHECK(in_child([] {
          become_user("nobody");
          return status_of_becoming("root");
        }) == kEndpoint);
  CHECK(in_child([] {
          become_user("nobody");
          return status_of_becoming("nobody:daemon");
        }) == kEndpoint);
}
