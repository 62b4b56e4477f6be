#include "tree/finish.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "files/temporary.h"
#include "ground/error.h"
#include "io/workers.h"
#include "tree/decide.h"
#include "tree/listing.h"
#include "tree/partial.h"

namespace rdpipe {
namespace {

constexpr mode_t kPermissions = 07777;

// How a directory is reached: in its parent, or a root by itself.
struct Reach {
  DirectoryLease lease;
  std::string name;
};

}  // namespace

Finisher::Finisher(const CopyOptions& options, Writer& writer, Deleter& deleter)
    : options_(options), writer_(writer), deleter_(deleter) {}

FinishResult Finisher::finish(const std::vector<FinishStep>& steps, bool shows) {
  result_ = {};
  shows_ = shows;
  for (const FinishStep& step : steps) {
    if (is_unwanted()) break;
    std::visit([this](const auto& alternative) { take(alternative); }, step);
  }
  return std::move(result_);
}

void Finisher::take(const LinkStep& step) {
  const WantedLink& link = step.link;
  const std::string path = link.directory->directory->path_of(link.name);
  if (link.skipped) return;
  try {
    bool made = true;
    struct stat now {};
    const bool exists = find(*link.directory, link.name, now);
    const bool are_files = exists && link.type == EntryType::kFile && S_ISREG(now.st_mode);
    const bool is_held_back = are_files && options_.update && is_newer(now, link.seconds, link.nanoseconds);
    const bool is_left = exists ? options_.ignore_existing || is_held_back : options_.existing;
    if (is_left) return result_.unplaced.push_back(link.entry);
    const auto is_one = [&] {  // already
      struct stat first {};
      return exists && step.head && find(*step.head->directory, step.head->name, first) &&
             first.st_dev == now.st_dev && first.st_ino == now.st_ino;
    };
    if (step.head && step.head->passed_over) {  // what it is a link to did not come
      if (!is_one()) fail(path, "what it is a hard link to was left as it is here");
      return result_.unplaced.push_back(link.entry);
    }
    if (options_.dry_run) {
      made = !is_one();
    } else {
      if (!step.head || step.head->directory->skipped) throw EntryError{ENOENT, "find what it is a link to"};
      const auto from = writer_.open(step.head->directory->directory);
      const auto into = writer_.open(link.directory->directory);
      if (exists && S_ISDIR(now.st_mode)) {
        deleter_.make_way(link.directory->directory, into->get(), link.name,
                          {result_.lines, result_.counts, shows_});
      }
      made =
          writer_.make_link(from->get(), step.head->name, link.directory->directory, into->get(), link.name);
    }
    if (!made) return;
    ++result_.counts.linked;
    if (!shows_ || !step.head) return;
    ListedEntry listed;
    listed.update = 'h';
    listed.type = link.type;
    listed.path = link.directory->directory->relative_of(link.name);
    listed.target = step.head->directory->directory->relative_of(step.head->name);
    listed.changes.created = !exists || (now.st_mode & S_IFMT) != format_of(link.type);
    result_.lines.push_back({true, format_line(options_.out_format, listed)});
  } catch (const EntryError& error) {
    fail(path, cause_of(error));
    result_.unplaced.push_back(link.entry);
  }
}

// The status of what is there now, where a dry run may have made nothing.
bool Finisher::find(const TargetDirectory& directory, const std::string& name, struct stat& status) const {
  if (directory.absent || directory.skipped) return false;
  const auto lease = writer_.cache().open(directory.directory);
  return lease && ::fstatat(lease->get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0;
}

void Finisher::take(const DirectoryStep& step) {
  const TargetDirectory& directory = *step.directory;
  if (directory.skipped || directory.absent) return;
  if (!directory.fresh && !directory.merged && options_.delete_extra && step.complete)
    deleter_.delete_extra(directory, {result_.lines, result_.counts, shows_});
  if (options_.dry_run) return;
  clean(directory);
  try {
    set_attributes(directory);
  } catch (const EntryError& error) {
    fail(directory.directory->path(), cause_of(error));
  }
}

void Finisher::clean(const TargetDirectory& directory) const {
  if (options_.dry_run || directory.absent) return;
  if (!directory.fresh && directory.touched) sweep(directory);
  drop_partials(directory);
}

// What a copy that was killed has left in it, on the way to a name that this one has too. A file of the
// sender's that looks like one is none.
void Finisher::sweep(const TargetDirectory& directory) const {
  std::vector<NamedEntry> entries;
  const auto lease = writer_.cache().open(directory.directory);
  if (!lease || !list_directory(lease->get(), entries)) return;
  for (const NamedEntry& entry : entries) {
    const std::string_view leaf = leaf_of_temporary(entry.name);
    if (leaf.empty() || !directory.names.contains(leaf) || directory.names.contains(entry.name)) continue;
    remove_if_left_over(lease->get(), entry.name.c_str());
  }
}

void Finisher::drop_partials(const TargetDirectory& directory) const {
  if (options_.partial_dir.empty()) return;
  const auto lease = writer_.cache().open(directory.directory);
  if (lease) drop_partial_directory(lease->get(), directory.names, options_);
}

void Finisher::set_attributes(const TargetDirectory& directory) {
  const auto& self = directory.directory;
  const Reach reach{writer_.open(self->parent() ? self->parent() : self),
                    self->parent() ? self->name() : "."};
  if (options_.fsync) static_cast<void>(writer_.open(self));  // another file system may be mounted there
  struct stat now {};
  if (::fstatat(reach.lease->get(), reach.name.c_str(), &now, AT_SYMLINK_NOFOLLOW) == -1)
    throw EntryError{errno};
  Attributes attributes = directory.attributes;
  if (!attributes.exact_mode) {
    // What the umask and a default ACL have left of it, without the bits it was opened up with.
    attributes.mode = now.st_mode & kPermissions & ~(S_IRWXU & ~attributes.mode);
    attributes.exact_mode = true;
  }
  if (directory.meets) keep_open(directory, now, attributes);
  const bool same = (now.st_mode & kPermissions) == attributes.mode &&
                    now.st_mtim.tv_sec == attributes.seconds &&
                    now.st_mtim.tv_nsec == static_cast<long>(attributes.nanoseconds);
  const Changes& changes = directory.changes;
  const bool named = changes.owner || changes.group || changes.acl || changes.xattrs || directory.fresh;
  if (same && !named) return;
  const auto lacking = directory.is_scope
                           ? writer_.update_time(reach.lease->get(), reach.name, attributes)
                           : writer_.update_attributes(reach.lease->get(), reach.name, now, attributes);
  if (lacking) fail(self->path(), cause_of(*lacking));
}

// Content of another source may be on its way into it.
void Finisher::keep_open(const TargetDirectory& directory, const struct stat& now, Attributes& attributes) {
  const std::string path = directory.directory->relative();
  const mode_t rights = now.st_mode & S_IRWXU & ~attributes.mode;
  attributes.mode |= rights;
  if (rights == 0) {
    opened_.erase(path);
  } else {
    opened_.insert_or_assign(path, std::pair(directory.directory, rights));
  }
}

FinishResult Finisher::end() {
  result_ = {};
  for (const auto& [path, opened] : std::exchange(opened_, {})) {
    try {
      shut(opened.first, opened.second);
    } catch (const EntryError& error) {
      fail(opened.first->path(), cause_of(error));
    }
  }
  return std::move(result_);
}

// Takes these rights from its owner.
void Finisher::shut(const std::shared_ptr<Directory>& directory, mode_t rights) {
  const auto lease = writer_.open(directory);
  struct stat now {};
  const std::string path = fmt::format("/proc/self/fd/{}", lease->get());
  if (::fstat(lease->get(), &now) == -1 || ::chmod(path.c_str(), now.st_mode & kPermissions & ~rights) == -1)
    throw EntryError{errno, "set its mode"};
}

void Finisher::fail(const std::string& path, const std::string& cause) {
  ++result_.counts.failed;
  result_.lines.push_back({false, fmt::format("'{}': {}", printable(path), cause)});
}

}  // namespace rdpipe
