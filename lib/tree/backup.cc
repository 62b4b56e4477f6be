// What a Writer keeps of what it replaces or deletes: a second name beside it, or its place in --backup-dir,
// which may be on another file system.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <utility>
#include <vector>

#include "files/kernel_copy.h"
#include "tree/scope.h"
#include "tree/writer.h"

namespace rdpipe {
namespace {

constexpr mode_t kPermissions = 07777;

void check_call(int result) {
  if (result == -1) throw EntryError{errno, "back it up"};
}

bool is_same_inode(const struct stat& first, const struct stat& second) {
  return first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

bool is_same_file(int first, int second) {
  struct stat one {
  }, other{};
  return ::fstat(first, &one) == 0 && ::fstat(second, &other) == 0 && is_same_inode(one, other);
}

// What stands for an entry wherever its directory is named from.
std::optional<std::string> name_in(int directory, const std::string& name) {
  struct stat where {};
  if (::fstat(directory, &where) == -1) return {};
  return fmt::format("{}:{}:{}", where.st_dev, where.st_ino, name);
}

// An entry of another file system.
struct Original {
  int directory;
  const std::string& name;
  const struct stat& status;
};

void copy_content(const Original& original, int into, const std::string& as, bool fsync) {
  constexpr int kFlags = O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
  const Descriptor from(::openat(original.directory, original.name.c_str(), O_RDONLY | kFlags));
  check_call(from.get());
  struct stat now {};
  check_call(::fstat(from.get(), &now));
  Descriptor to(::openat(into, as.c_str(), O_WRONLY | O_CREAT | O_EXCL | kFlags, 0600));
  check_call(to.get());
  const int error = copy_in_kernel(from.get(), to.get(), static_cast<std::uint64_t>(now.st_size));
  if (error != 0) throw EntryError{error, "back it up"};
  if (fsync) check_call(::fsync(to.get()));
  if (const int failure = to.close(); failure != 0) throw EntryError{failure, "back it up"};
}

void make_again(const Original& original, int into, const std::string& as, const CopyOptions& options) {
  const mode_t type = original.status.st_mode & S_IFMT;
  const bool is_device = type == S_IFCHR || type == S_IFBLK;
  if (is_device && options.unprivileged) throw EntryError{EPERM, "back it up"};
  if (type != S_IFLNK) return check_call(::mknodat(into, as.c_str(), type | 0600, original.status.st_rdev));
  std::string target(kMaxLinkTarget, '\0');
  const auto size = ::readlinkat(original.directory, original.name.c_str(), target.data(), target.size());
  check_call(size == -1 ? -1 : 0);
  target.resize(static_cast<std::size_t>(size));
  check_call(::symlinkat(target.c_str(), into, as.c_str()));
}

// Returns the bits of its mode that were meant for an owner or a group that it does not get.
mode_t copy_owner(int to, const struct stat& original, bool unprivileged) {
  constexpr auto kKeep = static_cast<uid_t>(-1);
  struct stat now {};
  check_call(::fstat(to, &now));
  const auto give = [&](uid_t uid) {
    const bool same_uid = uid == kKeep || uid == now.st_uid;
    const bool same_gid = original.st_gid == now.st_gid || original.st_gid == ::getegid();
    if (unprivileged && !(same_uid && same_gid)) return false;
    return ::fchownat(to, "", uid, original.st_gid, AT_EMPTY_PATH) == 0;
  };
  if (give(original.st_uid)) return 0;
  return give(kKeep) ? S_ISUID | S_ISGID : S_ISUID | S_ISGID | S_IRWXG;
}

// As far as we may and the file system can; never more rights than there were.
void copy_attributes(const Original& original, int into, const std::string& as, const CopyOptions& options) {
  const struct stat& status = original.status;
  const Descriptor itself(::openat(into, as.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  check_call(itself.get());
  mode_t mode = status.st_mode & kPermissions & ~copy_owner(itself.get(), status, options.unprivileged);
  if (options.drop_special_bits) mode &= ~mode_t{S_ISUID | S_ISGID};
  std::vector<XattrValue> xattrs;
  const XattrChoice all{.acls = true, .xattrs = true, .user_only = options.unprivileged};
  const bool whole =
      read_xattrs(original.directory, original.name, all, xattrs) && write_xattrs(into, as, all, xattrs);
  if (!whole) mode &= ~mode_t{S_IRWXG};  // of an ACL that is missing it was the mask
  if (!S_ISLNK(status.st_mode))
    check_call(::chmod(fmt::format("/proc/self/fd/{}", itself.get()).c_str(), mode));
  const std::array<timespec, 2> times{status.st_atim, status.st_mtim};
  check_call(::utimensat(into, as.c_str(), times.data(), AT_SYMLINK_NOFOLLOW));
}

}  // namespace

void Writer::set_base(std::shared_ptr<Directory> base) {
  if (base_) return;
  base_ = std::move(base);
  if (!options_.backup) return;
  if (suffix_of_backups(options_).find('/') != std::string::npos) {
    throw Error(Status::kUsage, "keep backups", "a suffix must not contain '/'",
                "--backup-dir keeps them elsewhere");
  }
  if (!options_.backup_dir.empty()) {
    const auto lease = cache_.open(base_);
    const Descriptor root = backup_root(0);
    backs_up_beside_ = lease && root && is_same_file(lease->get(), root.get());
  }
  if (!backs_up_beside_ || backup_name("x") != "x") return;
  throw Error(Status::kUsage, "keep backups", "they would be the files themselves",
              "another --backup-dir or --suffix");
}

std::string Writer::backup_name(const std::string& name) const { return name + suffix_of_backups(options_); }

// Whatever was there when it was decided on: something may be there by now.
void Writer::make_way(const std::shared_ptr<Directory>& where, int directory, const std::string& name) const {
  if (options_.backup) back_up(where, directory, name, false);
}

void Writer::reserve(int directory, const std::string& name) {
  const std::lock_guard lock(backing_up_);
  if (auto key = name_in(directory, name)) reserved_.insert(*key);
}

std::string Writer::free_backup_name(int into, const std::string& name) const {
  std::string backup = backup_name(name);
  const auto is_reserved = [&] {
    const auto key = reserved_.size() > 0 ? name_in(into, backup) : std::nullopt;
    return key && reserved_.contains(*key);
  };
  if (!is_reserved()) return backup;
  const std::string suffix = suffix_of_backups(options_);
  while (is_reserved()) backup += suffix.empty() ? "~" : suffix;
  if (auto key = name_in(into, backup)) reserved_.insert(*key);  // that of another file comes after this one
  return backup;
}

bool Writer::set_aside(const std::shared_ptr<Directory>& where, int directory,
                       const std::string& name) const {
  try {
    back_up(where, directory, name, true);
    return true;
  } catch (const EntryError& error) {
    errno = error.error;
    return false;
  }
}

// The directory of --backup-dir that stands for `where`, made as needed. Empty: backups stay beside their
// files.
Descriptor Writer::backup_directory(const std::shared_ptr<Directory>& where) const {
  if (options_.backup_dir.empty()) return {};
  Descriptor directory = backup_root(0777);
  const std::string path = where->relative();
  const std::size_t above = base_ ? base_->relative().size() : 0;
  const std::string_view below =
      std::string_view(path).substr(std::min(above > 0 ? above + 1 : 0, path.size()));
  // What it has from private directories stays private.
  if (directory) directory = open_path(directory.get(), below, 0, 0700);
  if (!directory) throw EntryError{errno, "open the directory for backups"};
  wrote(directory.get());
  return directory;
}

// --backup-dir itself, made with `mode` where that is not 0. Empty with errno set when there is none.
Descriptor Writer::backup_root(mode_t mode) const {
  DirectoryLease base;
  if (base_ && !options_.backup_dir.starts_with('/')) base = open(base_);
  // Where it is beneath the target, a symlink may be the sender's; so may be what was backed up before.
  const std::size_t trusted = base ? 0 : options_.backup_dir.size();
  const int from = base ? base->get() : AT_FDCWD;
  return scope_of(options_).directory(from, options_.backup_dir, trusted, mode);
}

bool Writer::keeps_backups(int directory, const std::string& name) const {
  if (!options_.backup || options_.backup_dir.empty()) return false;
  const Descriptor root = backup_root(0);
  struct stat first {
  }, second{};
  return root && ::fstat(root.get(), &first) == 0 &&
         ::fstatat(directory, name.c_str(), &second, AT_SYMLINK_NOFOLLOW) == 0 &&
         is_same_inode(first, second);
}

// A second name where that goes, so that the target never lacks its file; otherwise renamed, or copied to
// another file system. What has the backup's name stays until the new one is complete.
void Writer::back_up(const std::shared_ptr<Directory>& where, int directory, const std::string& name,
                     bool moves) const {
  struct stat now {
  }, old{};
  if (::fstatat(directory, name.c_str(), &now, AT_SYMLINK_NOFOLLOW) == -1) {
    if (errno == ENOENT) return;
    throw EntryError{errno, "back it up"};
  }
  const Descriptor elsewhere = backup_directory(where);
  const int into = elsewhere ? elsewhere.get() : directory;
  const std::lock_guard lock(backing_up_);
  const std::string backup = free_backup_name(into, name);
  if (::fstatat(into, backup.c_str(), &old, AT_SYMLINK_NOFOLLOW) == 0 && is_same_inode(now, old)) {
    if (S_ISDIR(now.st_mode) || (backup == name && is_same_file(into, directory)))
      throw EntryError{EINVAL, "back it up: it would be its own backup"};
    if (moves) check_call(::unlinkat(directory, name.c_str(), 0));  // renaming one to the other does nothing
    return;
  }
  if (!S_ISDIR(now.st_mode) && !moves && link_over(directory, name, into, backup)) return;
  if (::renameat(directory, name.c_str(), into, backup.c_str()) == 0) return;
  if (errno != EXDEV || S_ISDIR(now.st_mode)) check_call(-1);
  copy_over(directory, name, now, into, backup);
  if (moves) check_call(::unlinkat(directory, name.c_str(), 0));
}

// False with errno set when it cannot have a second name there.
bool Writer::link_over(int directory, const std::string& name, int into, const std::string& backup) const {
  if (::linkat(directory, name.c_str(), into, backup.c_str(), 0) == 0) return true;
  if (errno != EEXIST) return false;
  const std::string temporary = temporary_name(backup);
  if (::linkat(directory, name.c_str(), into, temporary.c_str(), 0) == -1) return false;
  if (::renameat(into, temporary.c_str(), into, backup.c_str()) == 0) return true;
  const int error = errno;
  ::unlinkat(into, temporary.c_str(), 0);
  errno = error;
  return false;
}

void Writer::copy_over(int directory, const std::string& name, const struct stat& now, int into,
                       const std::string& backup) const {
  const std::string temporary = temporary_name(backup);
  const Original original{directory, name, now};
  try {
    if (S_ISREG(now.st_mode)) {
      copy_content(original, into, temporary, options_.fsync);
    } else {
      make_again(original, into, temporary, options_);
    }
    copy_attributes(original, into, temporary, options_);
    check_call(::renameat(into, temporary.c_str(), into, backup.c_str()));
  } catch (const EntryError&) {
    ::unlinkat(into, temporary.c_str(), 0);
    throw;
  }
  if (!options_.fsync) return;
  const Descriptor readable(::openat(into, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  check_call(readable.get());
  check_call(::fsync(readable.get()));
}

}  // namespace rdpipe
