#include "files/target.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <linux/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <string_view>

#include "ground/error.h"

namespace rdpipe {
namespace {

constexpr int kMaxSymlinks = 40;  // as the kernel
constexpr std::string_view kInplaceHint = "--inplace writes into the file itself";

std::string quoted(const std::string& path) { return fmt::format("'{}'", printable(path)); }

[[noreturn]] void refuse(const Target& target, int error, std::string_view hint = {}) {
  throw Error(Status::kEndpoint, "store " + target.name, errno_text(error), std::string(hint));
}

// The text of the symlink `leaf`, or nothing when it is none (or is nothing at all).
std::optional<std::string> read_link(int directory, const std::string& leaf) {
  std::string text(PATH_MAX, '\0');
  const auto length = ::readlinkat(directory, leaf.c_str(), text.data(), text.size());
  if (length < 0) return {};
  text.resize(static_cast<std::size_t>(length));
  return text;
}

bool is_on(int directory, long magic) {
  struct statfs system {};
  return ::fstatfs(directory, &system) == 0 && system.f_type == magic;
}

// Follows the last component to where `>` would write, which need not exist, and opens its directory.
void resolve(Target& target) {
  std::string path = target.path;
  for (int links = 0; links <= kMaxSymlinks; ++links) {
    auto [directory, leaf] = split_path(path);
    target.directory = Descriptor(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!target.directory) refuse(target, errno);
    if (leaf.empty()) refuse(target, EISDIR);
    target.leaf = leaf;
    // The links in /proc/PID/fd stand for open files, not for their names: written through, never replaced.
    if (is_on(target.directory.get(), PROC_SUPER_MAGIC)) {
      target.kind = TargetKind::kInPlace;
      return;
    }
    const auto link = read_link(target.directory.get(), leaf);
    if (!link) return;
    path = link->starts_with('/') ? *link : directory + "/" + *link;
  }
  refuse(target, ELOOP);
}

bool is_mount_point(const Target& target) {
#ifdef STATX_ATTR_MOUNT_ROOT
  struct statx status {};
  if (::statx(target.directory.get(), target.leaf.c_str(), 0, 0, &status) == -1) return false;
  return (status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
#else
  static_cast<void>(target);
  return false;
#endif
}

// In a directory like /tmp only the owner of a file may replace it.
bool is_kept_by_sticky_bit(const Target& target) {
  struct stat directory {};
  if (::fstat(target.directory.get(), &directory) == -1 || (directory.st_mode & S_ISVTX) == 0) return false;
  const auto user = ::geteuid();
  return user != 0 && directory.st_uid != user && target.old->st_uid != user;
}

// What rename() at the end would refuse is refused now, before any byte has travelled.
void check_replaceable(const Target& target) {
  const auto hint = target.old ? kInplaceHint : std::string_view{};
  if (::faccessat(target.directory.get(), ".", W_OK | X_OK, AT_EACCESS) == -1) refuse(target, errno, hint);
  // Root passes that check, and still cannot create anything there.
  const int directory = target.directory.get();
  const bool made_up = is_on(directory, PROC_SUPER_MAGIC) || is_on(directory, SYSFS_MAGIC);
  if (!target.old && made_up) refuse(target, ENOENT);
  if (!target.old) return;
  if (is_mount_point(target)) refuse(target, EBUSY, hint);
  if (is_kept_by_sticky_bit(target)) refuse(target, EPERM, hint);
}

}  // namespace

std::string without_slashes(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

SplitPath split_path(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return {".", path};
  return {slash == 0 ? "/" : path.substr(0, slash), path.substr(slash + 1)};
}

Target examine_target(const std::string& path, const FileOptions& options) {
  Target target{.path = path, .name = quoted(path), .directory = {}, .leaf = {}, .fresh = options.fresh};
  if (path.empty()) refuse(target, ENOENT);
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0) {
    target.old = status;
  } else if (errno != ENOENT) {
    refuse(target, errno);
  }
  if (options.fresh && target.old) refuse(target, EEXIST);
  if (!target.old && path.ends_with('/')) {
    throw Error(Status::kEndpoint, "store " + target.name, "this directory does not exist");
  }
  if (target.old && S_ISDIR(status.st_mode)) refuse(target, EISDIR);
  if (target.old && S_ISSOCK(status.st_mode)) refuse(target, ENXIO);
  if (target.old && ::faccessat(AT_FDCWD, path.c_str(), W_OK, AT_EACCESS) == -1) refuse(target, errno);
  if (target.old && !S_ISREG(status.st_mode) && !S_ISBLK(status.st_mode)) {
    target.kind = TargetKind::kStream;
    return target;
  }
  resolve(target);
  if (options.inplace || (target.old && S_ISBLK(status.st_mode))) target.kind = TargetKind::kInPlace;
  if (target.kind == TargetKind::kReplaced || !target.old) check_replaceable(target);
  return target;
}

}  // namespace rdpipe
