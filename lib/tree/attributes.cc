#include "tree/attributes.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "ground/descriptor.h"
#include "ground/error.h"

namespace rdpipe {
namespace {

constexpr std::string_view kAccessAcl = "system.posix_acl_access";
constexpr std::string_view kDefaultAcl = "system.posix_acl_default";
constexpr std::size_t kNameListSize = 4096;  // bytes, at first

// The kernel finds the entry beneath the descriptor: no call exists that takes a directory and a name.
std::string path_beneath(int directory, const std::string& name) {
  return fmt::format("/proc/self/fd/{}/{}", directory, name);
}
std::string path_of(int fd) { return fmt::format("/proc/self/fd/{}", fd); }

// How an entry is reached: a path, and whether a symlink at its end is meant itself.
struct Place {
  std::string path;
  bool itself = true;

  [[nodiscard]] ssize_t list(char* into, std::size_t size) const {
    return itself ? ::llistxattr(path.c_str(), into, size) : ::listxattr(path.c_str(), into, size);
  }
  [[nodiscard]] ssize_t get(const char* name, char* into, std::size_t size) const {
    return itself ? ::lgetxattr(path.c_str(), name, into, size) : ::getxattr(path.c_str(), name, into, size);
  }
  [[nodiscard]] int set(const XattrValue& xattr) const {
    return itself ? ::lsetxattr(path.c_str(), xattr.name.c_str(), xattr.value.data(), xattr.value.size(), 0)
                  : ::setxattr(path.c_str(), xattr.name.c_str(), xattr.value.data(), xattr.value.size(), 0);
  }
  [[nodiscard]] int remove(const char* name) const {
    return itself ? ::lremovexattr(path.c_str(), name) : ::removexattr(path.c_str(), name);
  }
};

bool is_unsupported(int error) { return error == ENOTSUP || error == ENOSYS; }

// All names, each with its NUL. Nothing with errno set on failure.
std::optional<std::string> list_names(const Place& place) {
  std::string names(kNameListSize, '\0');
  for (;;) {
    const ssize_t size = place.list(names.data(), names.size());
    if (size >= 0) {
      names.resize(static_cast<std::size_t>(size));
      return names;
    }
    if (is_unsupported(errno)) return std::string();
    if (errno != ERANGE || names.size() > kMaxXattrValue) return {};
    names.resize(names.size() * 4);
  }
}

// False with errno set; one that has gone meanwhile is none.
bool read_value(const Place& place, const std::string& name, std::vector<XattrValue>& into) {
  std::string value(256, '\0');
  for (;;) {
    const ssize_t size = place.get(name.c_str(), value.data(), value.size());
    if (size >= 0) {
      value.resize(static_cast<std::size_t>(size));
      into.push_back({name, std::move(value)});
      return true;
    }
    if (errno == ENODATA || is_unsupported(errno)) return true;
    if (errno != ERANGE || value.size() >= kMaxXattrValue) return false;
    value.resize(kMaxXattrValue);
  }
}

// `bounded`: no more than a record has room for.
bool read_all(const Place& place, XattrChoice choice, bool bounded, std::vector<XattrValue>& into) {
  constexpr std::size_t kLengths = 5;  // bytes of those of a name and a value in a record
  const auto names = list_names(place);
  if (!names) return false;
  std::size_t total = 0;
  for (std::size_t at = 0; at < names->size();) {
    const std::string name(names->c_str() + at);
    at += name.size() + 1;
    if (!is_chosen(name, choice)) continue;
    const std::size_t before = into.size();
    if (!read_value(place, name, into)) return false;
    if (into.size() > before) total += kLengths + name.size() + into.back().value.size();
    if (bounded && (total > kMaxXattrBytes || into.size() > kMaxXattrs)) return errno = E2BIG, false;
  }
  std::ranges::sort(into, {}, &XattrValue::name);
  return true;
}

bool write_some(const Place& place, XattrChoice choice, const std::vector<XattrValue>& wanted) {
  std::vector<XattrValue> present;
  if (!read_all(place, choice, false, present)) return false;
  bool good = true;
  int error = 0;
  const auto note = [&](int result) {
    if (result == 0 || errno == ENODATA) return;
    good = false;
    error = errno;
  };
  for (const XattrValue& xattr : present) {
    const auto same = [&](const XattrValue& other) { return other.name == xattr.name; };
    if (std::ranges::none_of(wanted, same)) note(place.remove(xattr.name.c_str()));
  }
  for (const XattrValue& xattr : wanted) {
    if (is_chosen(xattr.name, choice) && std::ranges::find(present, xattr) == present.end())
      note(place.set(xattr));
  }
  errno = error;
  return good;
}

// Lets its owner read and write an entry for as long as it lives: user.* cannot be had otherwise.
class OwnerAccess {
 public:
  explicit OwnerAccess(const Place& place)
      : fd_(::open(place.path.c_str(), O_PATH | O_CLOEXEC | (place.itself ? O_NOFOLLOW : 0))) {
    struct stat now {};
    if (!fd_ || ::fstat(fd_.get(), &now) == -1 || S_ISLNK(now.st_mode)) return;
    mode_ = now.st_mode & 07777U;
    lent_ = (mode_ & kAccess) != kAccess && ::chmod(path_of(fd_.get()).c_str(), mode_ | kAccess) == 0;
  }
  OwnerAccess(const OwnerAccess&) = delete;
  OwnerAccess& operator=(const OwnerAccess&) = delete;
  ~OwnerAccess() {
    if (lent_) ::chmod(path_of(fd_.get()).c_str(), mode_);
  }
  [[nodiscard]] bool lent() const { return lent_; }

 private:
  static constexpr mode_t kAccess = S_IRUSR | S_IWUSR;
  Descriptor fd_;
  mode_t mode_ = 0;
  bool lent_ = false;
};

bool write_lent(const Place& place, XattrChoice choice, const std::vector<XattrValue>& wanted) {
  if (write_some(place, choice, wanted)) return true;
  if (errno != EACCES) return false;
  int error = EACCES;
  {
    const OwnerAccess access(place);
    if (access.lent()) error = write_some(place, choice, wanted) ? 0 : errno;
  }
  errno = error;
  return error == 0;
}

// ACLs last: they are part of the mode, which may forbid the rest.
bool write_all(const Place& place, XattrChoice choice, const std::vector<XattrValue>& wanted) {
  int error = 0;
  XattrChoice others = choice, acls = choice;
  others.acls = acls.xattrs = false;
  if (choice.xattrs && !write_lent(place, others, wanted)) error = errno;
  if (choice.acls && !write_some(place, acls, wanted) && error == 0) error = errno;
  errno = error;
  return error == 0;
}

template <typename Lookup>
auto with_buffer(Lookup lookup) {
  std::vector<char> buffer(1024);
  for (;;) {
    auto [error, result] = lookup(buffer);
    if (error != ERANGE || buffer.size() > (std::size_t{1} << 20)) return result;
    buffer.resize(buffer.size() * 4);
  }
}

}  // namespace

bool is_acl(std::string_view name) { return name == kAccessAcl || name == kDefaultAcl; }

bool is_chosen(std::string_view name, XattrChoice choice) {
  if (is_acl(name)) return choice.acls;
  if (!choice.xattrs || name.starts_with("system.") || name == "security.selinux") return false;
  return name.starts_with("user.") || (!choice.user_only && is_root());
}

bool read_xattrs(int directory, const std::string& name, XattrChoice choice, std::vector<XattrValue>& into,
                 bool follow) {
  return read_all({path_beneath(directory, name), !follow}, choice, true, into);
}

bool read_xattrs(int fd, XattrChoice choice, std::vector<XattrValue>& into) {
  return read_all({path_of(fd), false}, choice, true, into);
}

bool write_xattrs(int directory, const std::string& name, XattrChoice choice,
                  const std::vector<XattrValue>& wanted) {
  return write_all({path_beneath(directory, name), true}, choice, wanted);
}

bool write_xattrs(int fd, XattrChoice choice, const std::vector<XattrValue>& wanted) {
  return write_all({path_of(fd), false}, choice, wanted);
}

namespace {

// An ACL as the kernel gives it. Little-endian: version u32 (2), then entries of tag u16, permissions u16, id
// u32.
constexpr std::size_t kAclHeader = 4;
constexpr std::size_t kAclEntry = 8;
enum AclTag : unsigned {
  kUserObj = 0x01,
  kUser = 0x02,
  kGroupObj = 0x04,
  kGroup = 0x08,
  kMask = 0x10,
  kOther = 0x20
};

bool is_acl_value(const std::string& value) {
  return value.size() >= kAclHeader && (value.size() - kAclHeader) % kAclEntry == 0;
}

std::uint32_t little_endian(const std::string& value, std::size_t at, std::size_t size) {
  std::uint32_t number = 0;
  for (std::size_t i = 0; i < size; ++i) {
    number |= static_cast<std::uint32_t>(static_cast<unsigned char>(value[at + i])) << (8 * i);
  }
  return number;
}

}  // namespace

bool map_acl(std::string& value, const std::function<std::uint32_t(bool, std::uint32_t)>& map) {
  if (!is_acl_value(value)) return false;
  for (std::size_t at = kAclHeader; at < value.size(); at += kAclEntry) {
    const std::uint32_t tag = little_endian(value, at, 2);
    if (tag != kUser && tag != kGroup) continue;
    const std::uint32_t id = map(tag == kGroup, little_endian(value, at + 4, 4));
    for (std::size_t i = 0; i < 4; ++i) value[at + 4 + i] = static_cast<char>((id >> (8 * i)) & 0xFF);
  }
  return true;
}

XattrValue without_mode(const XattrValue& acl) {
  if (acl.name != kAccessAcl || !is_acl_value(acl.value)) return acl;
  XattrValue rest{acl.name, acl.value.substr(0, kAclHeader)};
  for (std::size_t at = kAclHeader; at < acl.value.size(); at += kAclEntry) {
    const std::uint32_t tag = little_endian(acl.value, at, 2);
    if (tag == kUser || tag == kGroupObj || tag == kGroup) rest.value += acl.value.substr(at, kAclEntry);
  }
  return rest;
}

std::optional<mode_t> most_by_default_acl(int directory) {
  std::vector<XattrValue> found;
  if (!read_value({path_of(directory), false}, std::string(kDefaultAcl), found) || found.empty()) return {};
  const std::string& acl = found.front().value;
  if (!is_acl_value(acl) || acl.size() == kAclHeader) return {};
  mode_t owner = 0, group = 0, others = 0;
  std::optional<mode_t> mask;
  for (std::size_t at = kAclHeader; at < acl.size(); at += kAclEntry) {
    const mode_t rights = little_endian(acl, at + 2, 2) & S_IRWXO;
    const std::uint32_t tag = little_endian(acl, at, 2);
    if (tag == kUserObj) owner = rights;
    if (tag == kGroupObj) group = rights;
    if (tag == kMask) mask = rights;
    if (tag == kOther) others = rights;
  }
  return owner << 6 | mask.value_or(group) << 3 | others;
}

mode_t format_of(EntryType type) {
  switch (type) {
    case EntryType::kDirectory:
      return S_IFDIR;
    case EntryType::kSymlink:
      return S_IFLNK;
    case EntryType::kFifo:
      return S_IFIFO;
    case EntryType::kSocket:
      return S_IFSOCK;
    case EntryType::kCharacter:
      return S_IFCHR;
    case EntryType::kBlock:
      return S_IFBLK;
    default:
      return S_IFREG;
  }
}

std::string name_of_id(bool group, std::uint32_t id) {
  return with_buffer([&](std::vector<char>& buffer) {
    std::string name;
    int error = 0;
    if (group) {
      struct group entry {};
      struct group* found = nullptr;
      error = ::getgrgid_r(id, &entry, buffer.data(), buffer.size(), &found);
      if (found != nullptr) name = found->gr_name;
    } else {
      passwd entry{};
      passwd* found = nullptr;
      error = ::getpwuid_r(id, &entry, buffer.data(), buffer.size(), &found);
      if (found != nullptr) name = found->pw_name;
    }
    return std::pair(error, name);
  });
}

std::optional<std::uint32_t> id_of_name(bool group, const std::string& name) {
  return with_buffer([&](std::vector<char>& buffer) {
    std::optional<std::uint32_t> id;
    int error = 0;
    if (group) {
      struct group entry {};
      struct group* found = nullptr;
      error = ::getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
      if (found != nullptr) id = found->gr_gid;
    } else {
      passwd entry{};
      passwd* found = nullptr;
      error = ::getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
      if (found != nullptr) id = found->pw_uid;
    }
    return std::pair(error, id);
  });
}

// Asked without changing it, which other threads would notice.
mode_t umask_of_self() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("Umask:")) return static_cast<mode_t>(std::stoul(line.substr(6), nullptr, 8));
  }
  throw Error(Status::kFileIo, "read the umask", "/proc/self/status does not tell it", "is /proc mounted?");
}

bool is_root() { return ::geteuid() == 0; }

std::vector<gid_t> groups_of_self() {
  std::vector<gid_t> groups(static_cast<std::size_t>(std::max(::getgroups(0, nullptr), 0)));
  const int count = groups.empty() ? 0 : ::getgroups(static_cast<int>(groups.size()), groups.data());
  groups.resize(static_cast<std::size_t>(std::max(count, 0)));
  groups.push_back(::getegid());
  return groups;
}

}  // namespace rdpipe
