#include "files/temporary.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <string_view>
#include <utility>

#include "ground/error.h"
#include "ground/secret.h"

namespace rdpipe {
namespace {

constexpr std::string_view kMark = ".rdpipe-";
constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyz234567";
constexpr std::size_t kRandomLetters = 8;
constexpr std::size_t kLongestName = 255;
constexpr int kAttempts = 100;

// ".NAME.rdpipe-", with NAME cut at a character so that the whole, with its letters, has at most `limit`
// bytes.
std::string prefix_within(std::size_t limit, const std::string& leaf) {
  const std::size_t room = limit - std::min(limit, 1 + kMark.size() + kRandomLetters);
  std::size_t length = std::min(leaf.size(), room);
  const auto is_continuation = [&](std::size_t at) {
    return (static_cast<unsigned char>(leaf[at]) & 0xC0) == 0x80;
  };
  while (length > 0 && length < leaf.size() && is_continuation(length)) --length;
  return "." + leaf.substr(0, length) + std::string(kMark);
}

// The same within what the file system allows.
std::string prefix_for(int directory, const std::string& leaf) {
  const long reported = ::fpathconf(directory, _PC_NAME_MAX);
  return prefix_within(reported > 0 ? static_cast<std::size_t>(reported) : kLongestName, leaf);
}

std::string random_letters() {
  std::array<std::byte, kRandomLetters> bytes{};
  fill_random(bytes);
  std::string letters;
  for (const std::byte byte : bytes)
    letters += kAlphabet[std::to_integer<std::size_t>(byte) % kAlphabet.size()];
  return letters;
}

bool is_temporary_name(std::string_view name, std::string_view prefix) {
  return name.size() == prefix.size() + kRandomLetters && name.starts_with(prefix) &&
         name.substr(prefix.size()).find_first_not_of(kAlphabet) == std::string_view::npos;
}

bool is_same_file(int fd, int directory, const char* name) {
  struct stat open_file {
  }, named{};
  return ::fstat(fd, &open_file) == 0 && ::fstatat(directory, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
         open_file.st_dev == named.st_dev && open_file.st_ino == named.st_ino;
}

}  // namespace

bool may_keep_in(const struct stat& file) {
  return S_ISREG(file.st_mode) && file.st_uid == ::geteuid() && file.st_nlink == 1;
}

// One whose lock can be had has lost its owner. Of anything but a file, even opening it may have effects.
void remove_if_left_over(int directory, const char* name) {
  struct stat named {};
  if (::fstatat(directory, name, &named, AT_SYMLINK_NOFOLLOW) == -1 || !S_ISREG(named.st_mode)) return;
  constexpr int kFlags = O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
  Descriptor file(::openat(directory, name, O_WRONLY | kFlags));
  if (!file && errno == EACCES) file = Descriptor(::openat(directory, name, O_RDONLY | kFlags));
  if (!file || ::flock(file.get(), LOCK_EX | LOCK_NB) == -1) return;
  if (is_same_file(file.get(), directory, name)) ::unlinkat(directory, name, 0);
}

std::string temporary_name_for(const std::string& leaf, std::uint64_t number) {
  constexpr std::uint64_t kBits = 5;
  std::string name = prefix_within(kLongestName, leaf);
  number *= 0x9E3779B97F4A7C15U;  // neighbours look different
  for (std::size_t i = 0; i < kRandomLetters; ++i) {
    name += kAlphabet[number >> (64 - kBits)];
    number <<= kBits;
  }
  return name;
}

bool is_temporary_name(std::string_view name) {
  if (name.size() < 1 + kMark.size() + kRandomLetters || !name.starts_with('.')) return false;
  return is_temporary_name(name, name.substr(0, name.size() - kRandomLetters)) &&
         name.substr(0, name.size() - kRandomLetters).ends_with(kMark);
}

std::string_view leaf_of_temporary(std::string_view name) {
  if (!is_temporary_name(name)) return {};
  return name.substr(1, name.size() - 1 - kMark.size() - kRandomLetters);
}

Temporary::Temporary(std::shared_ptr<const Target> target) : target_(std::move(target)) {
  // A new file gets the mode that open() gives it, by the umask and the directory's default ACL; one that
  // replaces another is nobody else's business until it has that one's mode.
  const mode_t mode = target_->old ? 0600 : 0666;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    if (create(mode)) return;
  }
  throw Error(Status::kFileIo, "store " + target_->name, "no free temporary name in its directory");
}

// One attempt; false when the name is taken or a sweep came between its creation and its lock.
bool Temporary::create(mode_t mode) {
  const int directory = target_->directory.get();
  leaf_ = prefix_for(directory, target_->leaf) + random_letters();
  file_ = Descriptor(::openat(directory, leaf_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  if (!file_ && errno == EEXIST) return false;
  check(file_.get(), Status::kFileIo, "store " + target_->name);
  // Where locks are not supported there is none, and a sweep cannot have taken one either.
  if (::flock(file_.get(), LOCK_EX | LOCK_NB) == -1 && errno == EWOULDBLOCK) return false;
  return is_same_file(file_.get(), directory, leaf_.c_str());
}

Temporary::Temporary(std::shared_ptr<const Target> target, KeptPlace place)
    : target_(std::move(target)), kept_(std::move(place.directory)), leaf_(std::move(place.leaf)) {
  const std::string attempt = "store " + target_->name;
  constexpr int kFlags = O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
  file_ = Descriptor(place.file ? ::fcntl(place.file->get(), F_DUPFD_CLOEXEC, 0)
                                : ::openat(kept_.get(), leaf_.c_str(), kFlags, 0600));
  check(file_.get(), Status::kFileIo, attempt);
  struct stat status {};
  check(::fstat(file_.get(), &status), Status::kFileIo, attempt);
  if (!may_keep_in(status)) {
    throw Error(Status::kFileIo, attempt, "what has the name of its part is not a file of this user's alone");
  }
  check(::fcntl(file_.get(), F_SETFL, 0), Status::kFileIo,
        attempt);  // O_NONBLOCK is not for the loop (io/loop.h)
  const bool locked = ::flock(file_.get(), LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
  if (!locked) throw Error(Status::kFileIo, attempt, "another copy is writing it");
  if (!is_same_file(file_.get(), kept_.get(), leaf_.c_str())) {
    throw Error(Status::kFileIo, attempt, "what was kept of it has gone meanwhile");
  }
}

Temporary::~Temporary() {
  if (is_discarded()) ::unlinkat(target_->directory.get(), leaf_.c_str(), 0);
}

void Temporary::place(bool durable) {
  struct stat now {};
  const bool exists =
      ::fstatat(target_->directory.get(), target_->leaf.c_str(), &now, AT_SYMLINK_NOFOLLOW) == 0;
  if (exists && S_ISREG(now.st_mode)) {
    keep_owner_and_mode(now);
  } else if (target_->old) {
    keep_owner_and_mode(*target_->old);
  }
  place_as_it_is(durable);
}

void Temporary::place_as_it_is(bool durable) {
  const std::string attempt = "store " + target_->name;
  const int into = target_->directory.get();
  if (!is_same_file(file_.get(), directory(), leaf_.c_str())) {
    throw Error(Status::kFileIo, attempt, "something else has taken the name of its temporary file");
  }
  // Opened first: what fails after the rename cannot be undone.
  const Descriptor readable = durable ? open_to_sync(into, attempt) : Descriptor();
  move_into_place(attempt);
  placed_ = true;
  if (durable) sync_names(readable, file_.get(), attempt);
}

void Temporary::move_into_place(const std::string& attempt) const {
  const int into = target_->directory.get();
  const char* leaf = target_->leaf.c_str();
  if (target_->fresh) {
    if (::renameat2(directory(), leaf_.c_str(), into, leaf, RENAME_NOREPLACE) == 0) return;
    const bool cannot = errno == EINVAL || errno == ENOSYS;  // some file systems
    if (!cannot || ::faccessat(into, leaf, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
      throw_errno(cannot ? EEXIST : errno, Status::kFileIo, attempt);
    }
  }
  check(::renameat(directory(), leaf_.c_str(), into, leaf), Status::kFileIo, attempt);
}

void Temporary::keep_owner_and_mode(const struct stat& old) const {
  struct stat mine {};
  check(::fstat(file_.get(), &mine), Status::kFileIo, "store " + target_->name);
  mode_t mode = old.st_mode & 07777;
  const bool owner_differs = mine.st_uid != old.st_uid || mine.st_gid != old.st_gid;
  // Only root may give a file away; others may still keep the group. Set-id bits and the group's rights must
  // not pass to those they were not meant for.
  if (owner_differs && ::fchown(file_.get(), old.st_uid, old.st_gid) == -1) {
    const bool kept_group = mine.st_gid == old.st_gid || ::fchown(file_.get(), mine.st_uid, old.st_gid) == 0;
    if (mine.st_uid != old.st_uid || !kept_group) mode &= 01777;
    if (!kept_group) mode &= ~mode_t{S_IRWXG};
  }
  // With an ACL the group's bits are its mask, and no rights of the group.
  if (!keep_acl(old)) mode &= ~mode_t{S_IRWXG};
  check(::fchmod(file_.get(), mode), Status::kFileIo, "store " + target_->name);
}

// Gives it the ACL of the `old` file, if that has one; false when it could not.
bool Temporary::keep_acl(const struct stat& old) const {
  constexpr auto* kAcl = "system.posix_acl_access";
  const Descriptor before(
      ::openat(target_->directory.get(), target_->leaf.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  struct stat now {};
  if (!before || ::fstat(before.get(), &now) == -1) return false;
  if (now.st_dev != old.st_dev || now.st_ino != old.st_ino) return false;
  const std::string path = "/proc/self/fd/" + std::to_string(before.get());
  std::string acl(XATTR_SIZE_MAX, '\0');
  const ssize_t size = ::getxattr(path.c_str(), kAcl, acl.data(), acl.size());
  if (size == -1) return errno == ENODATA || errno == EOPNOTSUPP || errno == ENOENT;  // the last: no /proc
  return ::fsetxattr(file_.get(), kAcl, acl.data(), static_cast<std::size_t>(size), 0) == 0;
}

Descriptor open_to_sync(int directory, const std::string& attempt) {
  Descriptor readable(::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!readable && errno != EACCES) check(-1, Status::kFileIo, attempt);
  return readable;
}

void sync_names(const Descriptor& directory, int file, const std::string& attempt) {
  check(directory ? ::fsync(directory.get()) : ::syncfs(file), Status::kFileIo, attempt);
}

void sweep_left_overs(int directory, const std::string& leaf) noexcept try {
  const std::string prefix = prefix_for(directory, leaf);
  Descriptor readable(::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!readable) return;
  struct CloseDirectory {
    void operator()(DIR* stream) const { ::closedir(stream); }
  };
  const std::unique_ptr<DIR, CloseDirectory> stream(::fdopendir(readable.get()));
  if (!stream) return;
  static_cast<void>(readable.release());  // closed by the stream
  while (const dirent* entry = ::readdir(stream.get())) {
    if (is_temporary_name(entry->d_name, prefix)) remove_if_left_over(::dirfd(stream.get()), entry->d_name);
  }
} catch (...) {
  // A left-over that stays costs room, not correctness.
}

}  // namespace rdpipe
