// What the walk finds out of an entry besides its status.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "ground/error.h"
#include "tree/content.h"
#include "tree/safe_links.h"
#include "tree/walk.h"

namespace rdpipe {

bool Walk::fill_symlink(const Place& place, const std::string& name, EntryRecord& entry) {
  if (!options_.symlinks) return leave_out(place, name, "is a symlink (left out)"), false;
  target_.resize(kMaxLinkTarget);
  const auto size = ::readlinkat(place.fd, name.c_str(), target_.data(), target_.size());
  if (size <= 0) {
    const int error = size == 0 ? EINVAL : errno;
    leave_out(place, name, "");
    return fail_errno(place.directory->path_of(name), error), false;
  }
  target_.resize(static_cast<std::size_t>(size));
  if (options_.safe_links && leads_out(place.directory->relative(), target_)) {
    leave_out(place, name,
              fmt::format("is a symlink that leads out of the tree, to '{}'", printable(target_)));
    return false;
  }
  entry.target = target_;
  return true;
}

void Walk::fill_common(const Place& place, const std::string& name, const struct stat& status,
                       EntryRecord& entry) {
  entry.mode = status.st_mode & 07777;
  entry.uid = status.st_uid;
  entry.gid = status.st_gid;
  entry.seconds = status.st_mtim.tv_sec;
  entry.nanoseconds = static_cast<std::uint32_t>(status.st_mtim.tv_nsec);
  if (options_.owner) introduce(false, entry.uid);
  if (options_.group) introduce(true, entry.gid);
  if (choice_.acls || choice_.xattrs) fill_xattrs(place, name, entry);
}

void Walk::fill_xattrs(const Place& place, const std::string& name, EntryRecord& entry) {
  xattrs_.clear();
  if (!read_xattrs(place.fd, name, choice_, xattrs_, follows(place))) {
    const int error = errno;
    fail(place.directory->path_of(name),
         "its extended attributes: " + (error == E2BIG ? "too many to be sent" : errno_text(error)));
    entry.lacks_xattrs = true;
    // A mode without its ACL may let others in.
    xattrs_.clear();
    constexpr XattrChoice kAcls{.acls = true, .xattrs = false};
    if (!choice_.acls || !read_xattrs(place.fd, name, kAcls, xattrs_, follows(place))) xattrs_.clear();
  }
  for (XattrValue& xattr : xattrs_) {
    const auto see = [&](bool group, std::uint32_t id) {
      introduce(group, id);
      return id;
    };
    if (is_acl(xattr.name)) static_cast<void>(map_acl(xattr.value, see));
    entry.xattrs.push_back({xattr.name, xattr.value});
  }
}

void Walk::fill_digest(const Place& place, const std::string& name, const struct stat& status,
                       EntryRecord& entry) {
  const int no_follow = options_.copy_links ? 0 : O_NOFOLLOW;
  const Descriptor fd(::openat(place.fd, name.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | no_follow));
  if (fd) entry.digest = content_digest(fd.get());
  if (entry.is_head) inodes_[{status.st_dev, status.st_ino}].digest = entry.digest;
}

void Walk::fill_hard_link(const struct stat& status, EntryRecord& entry) {
  const auto [found, fresh] = inodes_.try_emplace({status.st_dev, status.st_ino});
  Inode& inode = found->second;
  if (fresh) {
    inode = {counts_.entries, status.st_nlink - 1, {}};
    entry.is_head = true;
    return;
  }
  entry.head = inode.entry;
  entry.digest = inode.digest;
  if (--inode.unseen == 0) inodes_.erase(found);
}

// The name of an id goes in front of the first entry that has it.
void Walk::introduce(bool group, std::uint32_t id) {
  if (options_.numeric_ids || !introduced_.insert(id | (std::uint64_t{group} << 32)).second) return;
  const std::string name = name_of_id(group, id);
  if (!name.empty() && name.size() <= kMaxName) append(IdentityRecord{group, id, name}, batch_.records);
}

}  // namespace rdpipe
