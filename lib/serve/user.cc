#include "serve/user.h"

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <utility>
#include <vector>

#include "ground/error.h"
#include "tree/attributes.h"

namespace rdpipe {
namespace {

struct Identity {
  std::string user;
  uid_t uid = 0;
  gid_t gid = 0;
};

std::string attempt_to_become(const std::string& name) {
  return fmt::format("become user '{}'", printable(name));
}

// The group that a user has by themselves; the user exists.
gid_t own_group(const std::string& user) {
  constexpr std::size_t kMostMemory = std::size_t{1} << 20;
  std::vector<char> memory(4096);
  passwd entry{};
  passwd* found = nullptr;
  int error = 0;
  while ((error = ::getpwnam_r(user.c_str(), &entry, memory.data(), memory.size(), &found)) == ERANGE &&
         memory.size() < kMostMemory) {
    memory.resize(memory.size() * 4);
  }
  if (found == nullptr) {
    throw Error(Status::kUsage, attempt_to_become(user), error != 0 ? errno_text(error) : "no such user");
  }
  return entry.pw_gid;
}

Identity find_identity(const std::string& text) {
  const auto colon = text.find(':');
  Identity identity{.user = text.substr(0, colon)};
  const auto uid = id_of_name(false, identity.user);
  if (!uid) throw Error(Status::kUsage, attempt_to_become(text), "no such user");
  identity.uid = *uid;
  if (colon == std::string::npos) {
    identity.gid = own_group(identity.user);
    return identity;
  }
  const auto gid = id_of_name(true, text.substr(colon + 1));
  if (!gid) throw Error(Status::kUsage, attempt_to_become(text), "no such group");
  identity.gid = *gid;
  return identity;
}

bool is_already(const Identity& wanted) {
  uid_t uid = 0, effective_uid = 0, saved_uid = 0;
  gid_t gid = 0, effective_gid = 0, saved_gid = 0;
  if (::getresuid(&uid, &effective_uid, &saved_uid) == -1) return false;
  if (::getresgid(&gid, &effective_gid, &saved_gid) == -1) return false;
  return uid == wanted.uid && effective_uid == uid && saved_uid == uid && gid == wanted.gid &&
         effective_gid == gid && saved_gid == gid;
}

}  // namespace

void become_user(const std::string& user_and_group) {
  const Identity identity = find_identity(user_and_group);
  if (is_already(identity)) return;
  const std::string attempt = attempt_to_become(user_and_group);
  check(::initgroups(identity.user.c_str(), identity.gid), Status::kEndpoint, attempt);
  check(::setresgid(identity.gid, identity.gid, identity.gid), Status::kEndpoint, attempt);
  check(::setresuid(identity.uid, identity.uid, identity.uid), Status::kEndpoint, attempt);
  const bool is_back = identity.uid != 0 && (::setuid(0) == 0 || ::seteuid(0) == 0);
  if (is_back || !is_already(identity)) {
    throw Error(Status::kEndpoint, attempt, "root can be had again");
  }
}

}  // namespace rdpipe
