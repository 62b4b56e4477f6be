// What the receiver makes of directories: those that it finds, those that are missing, and the destination
// itself.
#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "ground/error.h"
#include "tree/decide.h"

namespace rdpipe {

// The source's contents go into the destination, which exists now (or will not, with dry_run).
void Decider::take_contents(const EntryRecord& entry) {
  auto made = std::make_shared<TargetDirectory>();
  made->number = next_directory_++;
  made->merged = sources_ > 1;
  made->only = request_.beneath(entry, nullptr);
  const Destination destination = resolve_destination(path_, options_, sources_, entry);
  made->absent = !destination.directory;
  made->fresh = destination.created;
  made->directory =
      made->absent ? std::make_shared<Directory>(Descriptor(), path_, "") : destination.directory;
  set_root(made->directory);
  struct stat now {};
  if (!made->absent) {
    const auto lease = writer_.cache().open(made->directory);
    if (lease && ::fstat(lease->get(), &now) == 0) made->old = as_in_the_end(*made, now);
    made->is_scope = is_scope(now);
  }
  made->attributes = attributes_of(entry, made->old && !made->fresh ? &*made->old : nullptr);
  made->changes.created = made->fresh || made->absent;
  if (made->changes.created) ++decision_.counts.created;
  if (made->old && !made->fresh) {
    const auto lease = writer_.cache().open(made->directory);
    if (lease) compare(made->attributes, *made->old, lease->get(), ".", made->changes);
    if (made->is_scope) made->changes = {.time = made->changes.time};
  }
  if (!made->absent && !made->is_scope) open_up(*made);
  if (made->changes.any()) show(entry, *made, "", made->changes.created ? 'c' : '.', made->changes);
  add_directory(std::move(made));
}

// What a server's client is confined to, and perhaps others are as well.
bool Decider::is_scope(const struct stat& directory) const {
  struct stat scope {};
  return options_.beneath >= 0 && ::fstat(options_.beneath, &scope) == 0 &&
         scope.st_dev == directory.st_dev && scope.st_ino == directory.st_ino;
}

void Decider::add_directory(std::shared_ptr<TargetDirectory> directory) {
  decision_.directories.push_back(directory);
  directories_.emplace(directory->number, std::move(directory));
}

void Decider::take_directory(const EntryRecord& entry, const std::shared_ptr<TargetDirectory>& parent,
                             const std::string& name) {
  auto made = std::make_shared<TargetDirectory>();
  made->number = next_directory_++;
  made->only = request_.beneath(entry, parent.get());
  made->directory = std::make_shared<Directory>(parent->directory, name, false);
  made->skipped = parent->skipped;
  made->absent = parent->absent;
  made->holds_backups = parent->holds_backups;
  if (made->skipped) return add_directory(std::move(made));
  if (!claim(*parent, name, true)) {
    made->skipped = true;
    fail(next_entry_, *parent, name, kNameTaken);
    return add_directory(std::move(made));
  }
  try {
    if (made->absent) {
      made->attributes = attributes_of(entry, nullptr);
      made->changes.created = true;
    } else {
      const auto lease = writer_.open(parent->directory);
      struct stat now {};
      const bool exists =
          !parent->fresh && ::fstatat(lease->get(), name.c_str(), &now, AT_SYMLINK_NOFOLLOW) == 0;
      if (exists) made->old = now = as_in_the_end(*made, now);
      const bool is_directory = exists && S_ISDIR(now.st_mode);
      made->attributes = attributes_of(entry, is_directory ? &now : nullptr);
      if (is_directory) {
        compare(made->attributes, now, lease->get(), name, made->changes);
        open_up(*made);
      } else {
        make_directory(*made, *parent, name, lease->get());
      }
      if (writer_.keeps_backups(lease->get(), name)) made->holds_backups = true;
    }
    if (made->changes.created) ++decision_.counts.created;
    if (made->changes.any()) show(entry, *parent, name, made->changes.created ? 'c' : '.', made->changes);
  } catch (const EntryError& error) {
    made->skipped = true;
    fail(next_entry_, *parent, name, cause_of(error));
    if (is_fatal(error)) throw_full(*parent, name, error);
  }
  add_directory(std::move(made));
}

void Decider::make_directory(TargetDirectory& made, const TargetDirectory& parent, const std::string& name,
                             int at) {
  if (options_.existing || (made.old && options_.ignore_existing)) {
    made.skipped = true;
    return;
  }
  made.changes.created = true;
  made.absent = options_.dry_run;
  if (options_.dry_run) return;
  if (made.old) make_way(parent, name, *made.old, at);
  const mode_t mode = made.attributes.exact_mode ? 0 : made.attributes.mode & 0777;
  if (::mkdirat(at, name.c_str(), mode | 0700) == -1) throw EntryError{errno};
  made.fresh = true;
  made.old.reset();
  open_up(made);
}

// What is written into must be open to its owner meanwhile. Of a new one, what a default ACL or the umask has
// left is what it will have in the end.
void Decider::open_up(TargetDirectory& directory) {
  if (options_.dry_run || writer_.as_root()) return;
  const auto lease = writer_.open(directory.directory);
  const auto mode = open_to_owner(lease->get());  // if not: what is written into it says so
  if (mode && directory.fresh && !directory.attributes.exact_mode)
    directory.attributes.mode &= *mode | ~mode_t{S_IRWXU};
  if (sources_ < 2) return;
  directory.meets = true;
  const mode_t rights = directory.attributes.mode & S_IRWXU;
  const std::string path = directory.directory->relative();
  if (rights == S_IRWXU) {
    opened_.erase(path);
  } else {
    opened_.insert_or_assign(path, rights);
  }
}

// The status of a directory, which an earlier source may have opened, with the owner's rights that it was to
// have after that one.
struct stat Decider::as_in_the_end(const TargetDirectory& directory, struct stat now) const {
  if (opened_.empty() || !S_ISDIR(now.st_mode)) return now;
  const auto found = opened_.find(directory.directory->relative());
  if (found != opened_.end()) now.st_mode = (now.st_mode & ~mode_t{S_IRWXU}) | found->second;
  return now;
}

}  // namespace rdpipe
