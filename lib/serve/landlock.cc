#include "serve/landlock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <string_view>
#include <utility>

#include "ground/error.h"

namespace rdpipe {
namespace {

constexpr const char* kAttempt = "confine a client's thread to its directory";

// Debian 12's headers know neither all of the calls nor all of the rights.
constexpr long kCreateRuleset = 444, kAddRule = 445, kRestrictSelf = 446;
constexpr std::uint64_t kRefer = 1U << 13;     // renames and links from one directory to another; version 2
constexpr std::uint64_t kTruncate = 1U << 14;  // version 3
constexpr std::uint64_t kDeviceCalls = 1U << 15;  // ioctl(2) on devices; version 5
constexpr std::uint64_t kFirst = kRefer - 1;      // all of version 1
constexpr long kLeastVersion = 2;  // before it, no rename between directories is allowed at all

constexpr std::uint64_t kReadFile = LANDLOCK_ACCESS_FS_READ_FILE;
constexpr std::uint64_t kReadTree = kReadFile | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr std::uint64_t kUseDevices = kReadTree | LANDLOCK_ACCESS_FS_WRITE_FILE | kDeviceCalls;

struct Allowed {
  const char* path;
  std::uint64_t rights;
};
// Whichever are there.
constexpr std::array kNeeded{
    // Names of users and groups, for which the C library may load modules.
    Allowed{"/etc/passwd", kReadFile}, Allowed{"/etc/group", kReadFile},
    Allowed{"/etc/nsswitch.conf", kReadFile}, Allowed{"/etc/ld.so.cache", kReadFile},
    Allowed{"/usr/lib", kReadTree}, Allowed{"/usr/lib64", kReadTree}, Allowed{"/lib", kReadTree},
    Allowed{"/lib64", kReadTree}, Allowed{"/usr/local/lib", kReadTree},
    // Whether the other end is this host.
    Allowed{"/proc/sys/kernel/random/boot_id", kReadFile},
    // The number of processors; RDMA devices, and what a connection that moves to this thread opens.
    Allowed{"/sys/devices", kReadTree}, Allowed{"/sys/class", kReadTree},
    Allowed{"/etc/libibverbs.d", kReadTree}, Allowed{"/etc/rdma", kReadTree},
    Allowed{"/dev/infiniband", kUseDevices}};

long version_of_kernel() { return ::syscall(kCreateRuleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION); }

std::string reason_for(int error) {
  if (error == ENOSYS) return "the kernel has no Landlock";
  if (error == EOPNOTSUPP) return "Landlock is off in this kernel (lsm=landlock,... turns it on)";
  return "Landlock: " + errno_text(error);
}

std::uint64_t rights_of(long version) {
  return kFirst | kRefer | (version >= 3 ? kTruncate : 0) | (version >= 5 ? kDeviceCalls : 0);
}

void allow(int ruleset, int fd, std::uint64_t rights) {
  landlock_path_beneath_attr rule{};
  rule.allowed_access = rights;
  rule.parent_fd = fd;
  check_long(::syscall(kAddRule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0), Status::kEndpoint, kAttempt);
}

// What is missing is skipped. What must stay open for it goes into `pins`.
void allow_path(int ruleset, const char* path, std::uint64_t rights, std::vector<Descriptor>& pins) {
  Descriptor fd(::open(path, O_PATH | O_CLOEXEC));
  struct stat status {};
  if (!fd || ::fstat(fd.get(), &status) == -1) return;
  if (!S_ISDIR(status.st_mode)) rights &= ~std::uint64_t{LANDLOCK_ACCESS_FS_READ_DIR};
  allow(ruleset, fd.get(), rights);
  if (std::string_view(path).starts_with("/proc/")) pins.push_back(std::move(fd));
}

}  // namespace

Confinement confine_thread(int directory, bool may_write, const std::vector<std::string>& readable,
                           const std::vector<std::string>& writable) {
  check(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), Status::kEndpoint, kAttempt);
  const long version = version_of_kernel();
  if (version < 0) return {.reason = reason_for(errno)};
  if (version < kLeastVersion)
    return {.reason = "this kernel's Landlock allows no renames (Linux 5.19 does)"};
  const std::uint64_t handled = rights_of(version);
  const std::uint64_t written = handled & ~std::uint64_t{LANDLOCK_ACCESS_FS_EXECUTE} & ~kDeviceCalls;
  landlock_ruleset_attr attributes{};
  attributes.handled_access_fs = handled;
  const long created = ::syscall(kCreateRuleset, &attributes, sizeof attributes.handled_access_fs, 0);
  const Descriptor ruleset(static_cast<int>(check_long(created, Status::kEndpoint, kAttempt)));
  allow(ruleset.get(), directory, may_write ? written : kReadTree);
  Confinement confinement{.holds = true};
  for (const Allowed& needed : kNeeded) {
    allow_path(ruleset.get(), needed.path, needed.rights & handled, confinement.pins);
  }
  for (const std::string& path : readable)
    allow_path(ruleset.get(), path.c_str(), kReadTree, confinement.pins);
  for (const std::string& path : writable) allow_path(ruleset.get(), path.c_str(), written, confinement.pins);
  check_long(::syscall(kRestrictSelf, ruleset.get(), 0), Status::kEndpoint, kAttempt);
  return confinement;
}

}  // namespace rdpipe
