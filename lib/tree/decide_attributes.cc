// How the receiver compares attributes, and what it makes of symlinks and special files.
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <iterator>
#include <utility>

#include "ground/error.h"
#include "tree/decide.h"

namespace rdpipe {
namespace {

constexpr mode_t kPermissions = 07777;
constexpr mode_t kSetIds = S_ISUID | S_ISGID;
// The steps in which file systems keep times, nanoseconds.
constexpr std::array<std::uint32_t, 6> kClocks = {1, 100, 1'000, 1'000'000, 10'000'000, 1'000'000'000};

bool is_on_fat(int fd) {
  struct statfs status {};
  return ::fstatfs(fd, &status) == 0 && status.f_type == MSDOS_SUPER_MAGIC;
}

bool is_device(EntryType type) { return type == EntryType::kCharacter || type == EntryType::kBlock; }

}  // namespace

bool is_same_time(const struct stat& now, std::int64_t seconds, std::uint32_t nanoseconds, int at) {
  if (now.st_mtim.tv_sec != seconds) {
    const bool even = now.st_mtim.tv_nsec == 0 && now.st_mtim.tv_sec % 2 == 0;
    return at >= 0 && even && now.st_mtim.tv_sec + 1 == seconds && is_on_fat(at);
  }
  const auto is_kept_in = [&](std::uint32_t unit) {
    return now.st_mtim.tv_nsec == static_cast<long>(nanoseconds - nanoseconds % unit);
  };
  return std::ranges::any_of(kClocks, is_kept_in);
}

bool is_newer(const struct stat& now, std::int64_t seconds, std::uint32_t nanoseconds) {
  return now.st_mtim.tv_sec > seconds ||
         (now.st_mtim.tv_sec == seconds && now.st_mtim.tv_nsec > static_cast<long>(nanoseconds));
}

Attributes Decider::attributes_of(const EntryRecord& entry, const struct stat* old) {
  Attributes attributes;
  const bool is_directory = entry.type == EntryType::kDirectory;
  const mode_t settable = options_.drop_special_bits ? kPermissions & ~kSetIds : kPermissions;
  const mode_t mode = mode_change_.apply(entry.mode, is_directory) & settable;
  if (options_.perms || options_.acls) {
    attributes.mode = mode;
  } else if (old != nullptr) {
    attributes.mode = old->st_mode & (is_directory ? kPermissions : 01777U & settable);
  } else {
    attributes.mode = mode & 0777;
    attributes.exact_mode = false;
  }
  attributes.uid = local_id(false, entry.uid);
  attributes.gid = local_id(true, entry.gid);
  attributes.seconds = entry.seconds;
  attributes.nanoseconds = entry.nanoseconds;
  attributes.lacks_xattrs = entry.lacks_xattrs;
  for (const Xattr& xattr : entry.xattrs) {
    if (!is_chosen(xattr.name, writer_.xattr_choice(attributes))) continue;
    XattrValue value{std::string(xattr.name), std::string(xattr.value)};
    const auto map = [this](bool group, std::uint32_t id) { return local_id(group, id); };
    if (is_acl(value.name) && !map_acl(value.value, map)) throw_malformed("a malformed ACL");
    attributes.xattrs.push_back(std::move(value));
  }
  return attributes;
}

void Decider::compare(const Attributes& wanted, const struct stat& now, int at, const std::string& name,
                      Changes& changes) const {
  const bool is_link = S_ISLNK(now.st_mode);
  changes.time = options_.times && !is_same_time(now, wanted.seconds, wanted.nanoseconds, at);
  // Without either, `wanted` has the mode that content of ours is to have: what is there keeps its own.
  const bool keeps_mode = options_.perms || options_.acls;
  changes.mode = keeps_mode && !is_link && (now.st_mode & kPermissions) != wanted.mode;
  changes.owner = options_.owner && writer_.as_root() && now.st_uid != wanted.uid;
  changes.group = writer_.sets_group(wanted.gid) && now.st_gid != wanted.gid;
  const XattrChoice choice = writer_.xattr_choice(wanted);
  if (!choice.acls && !choice.xattrs) return;
  std::vector<XattrValue> present;
  if (!read_xattrs(at, name, choice, present)) {
    changes.xattrs = choice.xattrs && errno == E2BIG;  // no sender has so many
    return;
  }
  const auto differs = [&](bool acls) {
    const auto counts = [&](const XattrValue& value) { return is_acl(value.name) == acls; };
    std::vector<XattrValue> here, there;
    std::ranges::copy_if(present, std::back_inserter(here), counts);
    std::ranges::copy_if(wanted.xattrs, std::back_inserter(there), counts);
    return !std::ranges::equal(here, there, {}, without_mode, without_mode);
  };
  changes.acl = choice.acls && differs(true);
  changes.xattrs = choice.xattrs && differs(false);
}

// What cannot be had is said, and the entry is the sender's all the same: hard links may lead to it.
void Decider::correct(const TargetDirectory& parent, const std::string& name, int at, const struct stat& now,
                      const Attributes& attributes, const Changes& changes) {
  if (options_.dry_run || !changes.attributes()) return;
  Attributes wanted = attributes;
  wanted.exact_mode = options_.perms || options_.acls;
  const auto lacking = writer_.update_attributes(at, name, now, wanted);
  if (lacking) fail(next_entry_, parent, name, cause_of(*lacking));
}

bool Decider::take_other(const EntryRecord& entry, const std::shared_ptr<TargetDirectory>& parent,
                         const std::string& name) {
  const bool refused = entry.type == EntryType::kSymlink ? !options_.symlinks
                       : is_device(entry.type)           ? !options_.devices
                                                         : !options_.specials;
  if (refused || !claim(*parent, name, false)) {
    fail(next_entry_, *parent, name, refused ? "of a kind that was not asked for" : kNameTaken);
    return false;
  }
  if (entry.is_head) decision_.heads.push_back({next_entry_, {parent, name}});
  try {
    const auto lease = parent->absent ? DirectoryLease() : writer_.open(parent->directory);
    const int at = lease ? lease->get() : -1;
    struct stat now {};
    const bool exists =
        at >= 0 && !parent->fresh && ::fstatat(at, name.c_str(), &now, AT_SYMLINK_NOFOLLOW) == 0;
    if (exists) remember_target(now);
    // Not `update`: that is for files in the place of files, as in rsync.
    const bool passed = exists ? options_.ignore_existing : options_.existing;
    if (passed && entry.is_head) decision_.heads.back().second.passed_over = true;
    if (passed) {
      keep_source();
      return true;
    }
    const bool same_type = exists && (now.st_mode & S_IFMT) == format_of(entry.type);
    Attributes attributes = attributes_of(entry, same_type ? &now : nullptr);
    Changes changes{.created = !exists, .replaced = exists && !same_type};
    if (same_type && entry.type == EntryType::kSymlink) {
      std::string target(kMaxLinkTarget, '\0');
      const auto size = ::readlinkat(at, name.c_str(), target.data(), target.size());
      changes.content =
          size < 0 || std::string_view(target).substr(0, static_cast<std::size_t>(size)) != entry.target;
    }
    if (same_type && is_device(entry.type)) {
      changes.content = now.st_rdev != makedev(entry.device_major, entry.device_minor);
    }
    if (same_type) compare(attributes, now, at, name, changes);
    if (changes.created || changes.replaced || changes.content) {
      changes.time_now = !options_.times;
      // The kernel lets anybody make the character device 0:0, which hides files from an overlay file system.
      if (is_device(entry.type) && !writer_.as_root()) throw EntryError{EPERM};
      if (exists && S_ISDIR(now.st_mode)) make_way(*parent, name, now, at);
      const auto lacking = options_.dry_run ? std::nullopt : make_other(entry, *parent, name, at, attributes);
      if (changes.created) ++decision_.counts.created;
      show(entry, *parent, name, 'c', changes);
      if (lacking) fail(next_entry_, *parent, name, cause_of(*lacking) + " (it is in place)");
    } else if (changes.any()) {
      correct(*parent, name, at, now, attributes, changes);
      show(entry, *parent, name, '.', changes);
    }
    return true;
  } catch (const EntryError& error) {
    if (entry.is_head) decision_.heads.pop_back();  // what is there is not what links are to lead to
    fail(next_entry_, *parent, name, cause_of(error));
    if (is_fatal(error)) throw_full(*parent, name, error);
    return false;
  }
}

std::optional<EntryError> Decider::make_other(const EntryRecord& entry, const TargetDirectory& parent,
                                              const std::string& name, int at,
                                              const Attributes& attributes) const {
  if (entry.type == EntryType::kSymlink) {
    return writer_.make_symlink(parent.directory, at, name, std::string(entry.target), attributes,
                                parent.fresh);
  }
  const dev_t device = is_device(entry.type) ? makedev(entry.device_major, entry.device_minor) : 0;
  return writer_.make_special(parent.directory, at, name, format_of(entry.type), device, attributes);
}

void Decider::make_way(const TargetDirectory& parent, const std::string& name, const struct stat& now,
                       int at) {
  if (S_ISDIR(now.st_mode)) {
    deleter_.make_way(parent.directory, at, name, {decision_.lines, decision_.counts, shows_});
  } else if (options_.backup) {
    if (!options_.dry_run && !writer_.set_aside(parent.directory, at, name)) throw EntryError{errno};
  } else if (!options_.dry_run && ::unlinkat(at, name.c_str(), 0) == -1) {
    throw EntryError{errno};
  }
}

}  // namespace rdpipe
