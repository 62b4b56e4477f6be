// What a Writer sets of an entry besides its content: all of it that can be had, and no right that was meant
// for an owner or a group that it does not have.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <optional>

#include "tree/writer.h"

namespace rdpipe {
namespace {

constexpr const char* kSetMode = "set its mode";
constexpr mode_t kPermissions = 07777;

void check_call(int result, const char* attempt = "") {
  if (result == -1) throw EntryError{errno, attempt};
}

std::array<timespec, 2> times_of(const Attributes& attributes) {
  return {timespec{0, UTIME_OMIT},
          timespec{static_cast<time_t>(attributes.seconds), static_cast<long>(attributes.nanoseconds)}};
}

}  // namespace

// Only root may give a file away; others may give what is theirs to a group of theirs, and all else stays.
void Writer::change_owner(const Reached& reached, const Attributes& attributes,
                          const struct stat& now) const {
  constexpr auto kKeep = static_cast<std::uint32_t>(-1);
  std::uint32_t uid = options_.owner && root_ ? attributes.uid : kKeep;
  std::uint32_t gid = sets_group(attributes.gid) ? attributes.gid : kKeep;
  if (uid == now.st_uid) uid = kKeep;
  if (gid == now.st_gid) gid = kKeep;
  if (uid == kKeep && gid == kKeep) return;
  const int flags = reached.is_open() ? AT_EMPTY_PATH : AT_SYMLINK_NOFOLLOW;
  const bool failed = ::fchownat(reached.fd, reached.name.c_str(), uid, gid, flags) == -1;
  if (failed && (root_ || errno != EPERM)) throw EntryError{errno, "set its owner"};
}

// What an entry does without, and the bits of its mode that are nobody's then.
class Writer::Lacks {
 public:
  // False when `work` failed, without which there are no `bits`. What no file can escape is thrown on.
  template <typename Work>
  bool try_to(mode_t bits, Work work) try {
    work();
    return true;
  } catch (const EntryError& error) {
    if (is_fatal(error)) throw;
    if (!first_) first_ = error;
    bits_ |= bits;
    return false;
  }
  [[nodiscard]] mode_t bits() const { return bits_; }
  [[nodiscard]] const std::optional<EntryError>& first() const { return first_; }

 private:
  mode_t bits_ = 0;
  std::optional<EntryError> first_;
};

std::optional<EntryError> Writer::set_attributes(int fd, const Attributes& attributes) const {
  Lacks lacks;
  struct stat now {};
  if (sets_owner()) {
    check_call(::fstat(fd, &now));
    set_owner({fd}, attributes, now, lacks);
  }
  set_xattrs({fd}, attributes, lacks);
  // What was written in place may be another user's.
  check_call(::fstat(fd, &now));
  const mode_t mode = (attributes.exact_mode ? attributes.mode : now.st_mode & kPermissions) & ~lacks.bits();
  if ((now.st_mode & kPermissions) != mode) {
    lacks.try_to(0, [&] { check_call(::fchmod(fd, mode), kSetMode); });
  }
  set_time({fd}, attributes, lacks);
  return lacks.first();
}

std::optional<EntryError> Writer::set_new_attributes(int fd, const WantedFile& wanted,
                                                     const Birth& birth) const {
  const Attributes& attributes = wanted.attributes;
  Lacks lacks;
  struct stat now {};
  if (!birth.owner_is_final) {
    check_call(::fstat(fd, &now));
    wanted.directory->new_files.set_owner(now.st_uid, now.st_gid);
    set_owner({fd}, attributes, now, lacks);
  }
  set_xattrs({fd}, attributes, lacks);
  if (!birth.mode_is_final || lacks.bits() != 0) {
    if (birth.mode_is_final) check_call(::fstat(fd, &now));
    const mode_t mode = birth.mode_is_final ? now.st_mode & kPermissions : attributes.mode;
    lacks.try_to(0, [&] { check_call(::fchmod(fd, mode & ~lacks.bits()), kSetMode); });
  }
  set_time({fd}, attributes, lacks);
  return lacks.first();
}

// The mode that was asked for may be meant for another owner or group than it has.
std::optional<EntryError> Writer::update_attributes(int directory, const std::string& name,
                                                    const struct stat& now,
                                                    const Attributes& attributes) const {
  const Reached reached{directory, name};
  Lacks lacks;
  if (sets_owner()) set_owner(reached, attributes, now, lacks);
  set_xattrs(reached, attributes, lacks);
  if (!S_ISLNK(now.st_mode) && attributes.exact_mode) {
    const bool is_ours = options_.perms || options_.acls;
    const mode_t mode = attributes.mode & ~(is_ours ? lacks.bits() : 0);
    lacks.try_to(0, [&] { change_mode(reached, mode); });
  }
  set_time(reached, attributes, lacks);
  return lacks.first();
}

std::optional<EntryError> Writer::update_time(int directory, const std::string& name,
                                              const Attributes& attributes) const {
  Lacks lacks;
  set_time({directory, name}, attributes, lacks);
  return lacks.first();
}

// By the descriptor: the name may be a symlink by now.
void Writer::change_mode(const Reached& reached, mode_t mode) {
  const Descriptor itself(::openat(reached.fd, reached.name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  struct stat now {};
  check_call(itself ? ::fstat(itself.get(), &now) : -1, kSetMode);
  if ((now.st_mode & kPermissions) == mode || S_ISLNK(now.st_mode)) return;
  check_call(::chmod(fmt::format("/proc/self/fd/{}", itself.get()).c_str(), mode), kSetMode);
}

// The group alone where the owner cannot be had: its bits are right then.
void Writer::set_owner(const Reached& reached, const Attributes& attributes, const struct stat& now,
                       Lacks& lacks) const {
  const auto change = [&](std::uint32_t uid) {
    change_owner(reached, {.uid = uid, .gid = attributes.gid}, now);
  };
  const bool whole = lacks.try_to(S_ISUID | S_ISGID, [&] { change(attributes.uid); });
  if (!whole) lacks.try_to(S_IRWXG, [&] { change(now.st_uid); });
}

// The ACL by itself where not all can be had: the group's bits are its mask.
void Writer::set_xattrs(const Reached& reached, const Attributes& attributes, Lacks& lacks) const {
  const auto write = [&](XattrChoice choice) {
    const bool written = reached.is_open()
                             ? write_xattrs(reached.fd, choice, attributes.xattrs)
                             : write_xattrs(reached.fd, reached.name, choice, attributes.xattrs);
    if (!written) throw EntryError{errno, kSetXattrs};
  };
  const XattrChoice choice = xattr_choice(attributes);
  if (!choice.acls && !choice.xattrs) return;
  const bool whole = lacks.try_to(0, [&] { write(choice); });
  if (!whole && choice.acls) lacks.try_to(S_IRWXG, [&] { write({.acls = true, .xattrs = false}); });
}

void Writer::set_time(const Reached& reached, const Attributes& attributes, Lacks& lacks) const {
  if (!options_.times) return;
  const auto times = times_of(attributes);
  lacks.try_to(0, [&] {
    check_call(reached.is_open()
                   ? ::futimens(reached.fd, times.data())
                   : ::utimensat(reached.fd, reached.name.c_str(), times.data(), AT_SYMLINK_NOFOLLOW),
               "set its time");
  });
}

}  // namespace rdpipe
