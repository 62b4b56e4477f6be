#include "tree/decide.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "ground/error.h"
#include "tree/content_digest.h"
#include "tree/partial.h"

namespace rdpipe {
namespace {

constexpr std::size_t kMaxIds = 1000000;

std::string last_component(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

}  // namespace

Decider::Decider(std::string destination, const CopyOptions& options, Writer& writer)
    : path_(std::move(destination)),
      options_(options),
      writer_(writer),
      mode_change_(ModeChange::parse(options.chmod, writer.umask()).value_or(ModeChange())) {}

Decision Decider::decide(std::span<const std::byte> records) {
  decision_ = {};
  RecordReader reader;
  reader.add(records);
  while (const auto record = reader.next()) {
    if (record->type == RecordType::kBegin) {
      const auto begin = decode_begin(record->body);
      if (!begin || begun_) throw_malformed("a malformed record");
      begun_ = true;
      sources_ = begin->sources;
      hears_peer_ = begin->hears_peer;
      shows_ = hears_peer_ ? begin->lists : static_cast<bool>(options_.listed);
      decision_.begin = begin;
    } else if (record->type == RecordType::kIdentity) {
      const auto identity = decode_identity(record->body);
      if (!identity) throw_malformed("a malformed record");
      take_identity(*identity);
    } else if (record->type == RecordType::kEntry) {
      const auto entry = decode_entry(record->body);
      if (!entry || !begun_) throw_malformed("a malformed entry");
      take_entry(*entry);
    } else if (record->type == RecordType::kKeep) {
      const auto keep = decode_keep(record->body);
      if (!keep) throw_malformed("a malformed record");
      const auto found = directories_.find(keep->parent);
      if (found != directories_.end()) found->second->names.insert(keep->name);
    }
  }
  return std::move(decision_);
}

void Decider::forget(const std::vector<std::uint64_t>& directories) {
  for (const std::uint64_t number : directories) directories_.erase(number);
}

void Decider::take_identity(const IdentityRecord& record) {
  if (options_.numeric_ids || record.id == 0 || ids_.size() >= kMaxIds) return;
  const auto id = id_of_name(record.group, std::string(record.name));
  if (id) ids_[record.id | (std::uint64_t{record.group} << 32)] = *id;
}

std::uint32_t Decider::local_id(bool group, std::uint32_t id) const {
  const auto found = ids_.find(id | (std::uint64_t{group} << 32));
  return found == ids_.end() ? id : found->second;
}

void Decider::take_entry(const EntryRecord& entry) {
  std::string name(entry.name);
  const auto parent = directory_of(entry, name);
  if (parent && entry.type != EntryType::kDirectory && parent->skipped) {
    if (entry.is_asked_for()) answer(TreeVerdict::kSkip);
  } else if (!parent) {
    take_contents(entry);
  } else if (entry.type == EntryType::kDirectory) {
    take_directory(entry, parent, name);
  } else if (entry.head) {
    take_link(entry, parent, name);
  } else if (entry.type == EntryType::kFile) {
    take_file(entry, parent, name);
  } else {
    take_other(entry, parent, name);
  }
  ++next_entry_;
  listed_.add(entry);
}

// The directory that `entry` goes into; null: it is the destination itself.
std::shared_ptr<TargetDirectory> Decider::directory_of(const EntryRecord& entry, std::string& name) {
  if (entry.parent == 0) return top_of(entry, name);
  const auto found = directories_.find(entry.parent);
  if (found == directories_.end()) throw_malformed("an entry in a directory that was not listed");
  if (!found->second->names.insert(entry.name)) {
    throw_malformed(fmt::format("'{}' twice", printable(found->second->directory->path_of(entry.name))));
  }
  return found->second;
}

std::shared_ptr<TargetDirectory> Decider::top_of(const EntryRecord& entry, std::string& name) {
  require_requested(entry);
  if (entry.name == ".") return nullptr;
  const bool first = !destination_;
  if (first) destination_ = resolve_destination(path_, options_, sources_, entry);
  if (destination_->itself) {
    if (!first || entry.type != EntryType::kDirectory) throw_malformed("a second source for one name");
    return nullptr;
  }
  if (!base_) {
    base_ = std::make_shared<TargetDirectory>();
    base_->directory = destination_->directory;
    base_->fresh = destination_->created;
    base_->absent = !destination_->directory;
    base_->merged = true;
    if (!base_->absent && !destination_->rename.empty()) {
      base_->directory->show_as(destination_->rename, std::string(entry.name));
    }
    if (base_->absent) base_->directory = std::make_shared<Directory>(Descriptor(), path_, "");
  }
  if (!root_) root_ = base_->directory;
  if (!destination_->rename.empty()) name = destination_->rename;
  return base_;
}

// A sender that was asked for some names may not send others, whatever it wants to overwrite.
void Decider::require_requested(const EntryRecord& entry) const {
  if (options_.requested.empty()) return;
  for (const std::string& source : options_.requested) {
    const std::string last = last_component(source);
    if (entry.name == "."
            ? source.empty() || stands_for_contents(source) || options_.files_from.has_value()
            : last == entry.name || last.starts_with('~') || matches_pattern(last, entry.name)) {
      return;
    }
  }
  throw_malformed(fmt::format("'{}', which nobody asked for", printable(entry.name)));
}

// The source's contents go into the destination, which exists now (or will not, with dry_run).
void Decider::take_contents(const EntryRecord& entry) {
  auto made = std::make_shared<TargetDirectory>();
  made->number = next_directory_++;
  made->merged = sources_ > 1;
  const Destination destination = resolve_destination(path_, options_, sources_, entry);
  made->absent = !destination.directory;
  made->fresh = destination.created;
  made->directory =
      made->absent ? std::make_shared<Directory>(Descriptor(), path_, "") : destination.directory;
  if (!root_) root_ = made->directory;
  struct stat now {};
  if (!made->absent) {
    const auto lease = writer_.cache().open(made->directory);
    if (lease && ::fstat(lease->get(), &now) == 0) made->old = now;
  }
  made->attributes = attributes_of(entry, made->old && !made->fresh ? &*made->old : nullptr);
  made->changes.created = made->fresh || made->absent;
  if (made->changes.created) ++decision_.counts.created;
  if (made->old && !made->fresh) {
    const auto lease = writer_.cache().open(made->directory);
    if (lease) compare(made->attributes, *made->old, lease->get(), ".", made->changes);
  }
  if (!made->absent) open_up(*made);
  if (made->changes.any()) show(entry, *made, "", made->changes.created ? 'c' : '.', made->changes);
  add_directory(std::move(made));
}

void Decider::add_directory(std::shared_ptr<TargetDirectory> directory) {
  decision_.directories.push_back(directory);
  directories_.emplace(directory->number, std::move(directory));
}

void Decider::take_directory(const EntryRecord& entry, const std::shared_ptr<TargetDirectory>& parent,
                             const std::string& name) {
  auto made = std::make_shared<TargetDirectory>();
  made->number = next_directory_++;
  made->parent = parent;
  made->directory = std::make_shared<Directory>(parent->directory, name, false);
  made->skipped = parent->skipped;
  made->absent = parent->absent;
  if (made->skipped) return add_directory(std::move(made));
  if (parent->number == 0 && !parent->names.insert(name)) {
    made->skipped = true;
    fail(next_entry_, *parent, name, "another source has this name");
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
      if (exists) made->old = now;
      const bool is_directory = exists && S_ISDIR(now.st_mode);
      made->attributes = attributes_of(entry, is_directory ? &now : nullptr);
      if (is_directory) {
        compare(made->attributes, now, lease->get(), name, made->changes);
        open_up(*made);
      } else {
        make_directory(*made, name, lease->get());
      }
    }
    if (made->changes.created) ++decision_.counts.created;
    if (made->changes.any()) show(entry, *parent, name, made->changes.created ? 'c' : '.', made->changes);
  } catch (const EntryError& error) {
    made->skipped = true;
    fail(next_entry_, *parent, name, errno_text(error.error));
    if (is_fatal(error.error)) throw Error(Status::kFileIo, "store", errno_text(error.error));
  }
  add_directory(std::move(made));
}

void Decider::make_directory(TargetDirectory& made, const std::string& name, int at) {
  if (options_.existing || (made.old && options_.ignore_existing)) {
    made.skipped = true;
    return;
  }
  made.changes.created = true;
  made.absent = options_.dry_run;
  if (options_.dry_run) return;
  if (made.old) make_way(*made.parent, name, *made.old, at);
  const mode_t mode = made.attributes.exact_mode ? 0 : made.attributes.mode & 0777;
  if (::mkdirat(at, name.c_str(), mode | 0700) == -1) throw EntryError{errno};
  made.fresh = true;
  made.old.reset();
  open_up(made);
}

// What is written into must be open to its owner meanwhile. Of a new one, what a default ACL or the umask has
// left is what it will have in the end.
void Decider::open_up(TargetDirectory& directory) const {
  if (options_.dry_run || writer_.as_root()) return;
  const auto lease = writer_.open(directory.directory);
  const auto mode = open_to_owner(lease->get());  // if not: what is written into it says so
  if (mode && directory.fresh && !directory.attributes.exact_mode)
    directory.attributes.mode &= *mode | ~mode_t{S_IRWXU};
}

void Decider::take_file(const EntryRecord& entry, const std::shared_ptr<TargetDirectory>& parent,
                        const std::string& name) {
  decision_.file_bytes += entry.size;
  WantedFile file{.entry = next_entry_, .directory = parent, .name = name, .size = entry.size};
  file.sparse = entry.has_holes || options_.sparse;
  if (entry.is_head) decision_.heads.push_back({next_entry_, {parent, name}});
  if (parent->number == 0 && !parent->names.insert(name)) {
    answer(TreeVerdict::kSkip);
    return fail(next_entry_, *parent, name, "another source has this name");
  }
  try {
    const auto lease = parent->absent ? DirectoryLease() : writer_.open(parent->directory);
    const int at = lease ? lease->get() : -1;
    if (wants(entry, file, at)) {
      ask_for(std::move(file), at);
    } else {
      answer(TreeVerdict::kSkip);
    }
  } catch (const EntryError& error) {
    answer(TreeVerdict::kSkip);
    fail(next_entry_, *parent, name, errno_text(error.error));
  }
}

bool Decider::wants(const EntryRecord& entry, WantedFile& file, int at) {
  struct stat now {};
  const bool exists =
      at >= 0 && !file.directory->fresh && ::fstatat(at, file.name.c_str(), &now, AT_SYMLINK_NOFOLLOW) == 0;
  if (exists) file.old = now;
  const bool is_file = exists && S_ISREG(now.st_mode);
  file.attributes = attributes_of(entry, is_file ? &now : nullptr);
  file.changes.created = !exists;
  file.changes.replaced = exists && !is_file;
  if (exists ? options_.ignore_existing : options_.existing) return false;
  if (!is_file) {
    if (exists && S_ISDIR(now.st_mode) && !options_.dry_run) make_way(*file.directory, file.name, now, at);
    return true;
  }
  if (options_.update && is_newer(now, entry)) return false;
  compare(file.attributes, now, at, file.name, file.changes);
  file.changes.size = static_cast<std::uint64_t>(now.st_size) != entry.size;
  if (!is_same_content(entry, now, at, file.name)) {
    file.changes.content = options_.checksum && !file.changes.size;
    return true;
  }
  if (file.changes.attributes()) {
    correct(file.name, at, now, file.attributes, file.changes);
    show(entry, *file.directory, file.name, '.', file.changes);
  }
  return false;
}

bool Decider::is_same_content(const EntryRecord& entry, const struct stat& now, int at,
                              const std::string& name) const {
  if (options_.ignore_times || static_cast<std::uint64_t>(now.st_size) != entry.size) return false;
  if (!options_.checksum) {
    return options_.size_only || is_same_time(now, entry.seconds, entry.nanoseconds);
  }
  const Descriptor fd(::openat(at, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  return fd && entry.digest && content_digest(fd.get()) == entry.digest;
}

void Decider::ask_for(WantedFile file, int at) {
  if (options_.dry_run) {
    ++decision_.counts.files_moved;
    decision_.counts.bytes_moved += file.size;
    if (file.changes.created) ++decision_.counts.created;
    EntryRecord entry;
    entry.type = EntryType::kFile;
    entry.size = file.size;
    entry.mode = file.attributes.mode;
    entry.seconds = file.attributes.seconds;
    show(entry, *file.directory, file.name, hears_peer_ ? '<' : '>', file.changes);
    return answer(TreeVerdict::kSkip);
  }
  const bool may_resume = keeps_partial(options_) && !writes_in_place(options_, file);
  if (may_resume && file.size > kPageSize) offer_leaves(file, at);
  answer(file.resumes() ? TreeVerdict::kResume : TreeVerdict::kSend);
  decision_.wanted.push_back(std::move(file));
}

void Decider::offer_leaves(WantedFile& file, int at) {
  const PartialPlace place = partial_place(at, file.name, options_, false);
  if (!place.directory) return;
  const Descriptor fd(
      ::openat(place.directory.get(), place.leaf.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat now {};
  if (!fd || ::fstat(fd.get(), &now) == -1 || !S_ISREG(now.st_mode) || now.st_size == 0) return;
  auto leaves = leaf_digests(fd.get(), 0, std::min(file.size, static_cast<std::uint64_t>(now.st_size)));
  if (!leaves || leaves->empty()) return;
  for (std::size_t first = 0; first < leaves->size(); first += kMaxLeavesInNote) {
    const auto count = std::min(kMaxLeavesInNote, leaves->size() - first);
    const auto begin = leaves->begin() + static_cast<std::ptrdiff_t>(first);
    decision_.leaves.push_back({file.entry, first, {begin, begin + static_cast<std::ptrdiff_t>(count)}});
  }
  file.leaves = std::move(*leaves);
}

void Decider::take_link(const EntryRecord& entry, const std::shared_ptr<TargetDirectory>& parent,
                        const std::string& name) {
  if (!options_.hard_links || *entry.head >= next_entry_) throw_malformed("a hard link to nothing");
  decision_.links.push_back({next_entry_, *entry.head, entry.type, parent, name});
}

void Decider::answer(TreeVerdict verdict) {
  if (!decision_.runs.empty() && decision_.runs.back().verdict == verdict) {
    ++decision_.runs.back().count;
  } else {
    decision_.runs.push_back({verdict, 1});
  }
}

void Decider::show(const EntryRecord& entry, const TargetDirectory& parent, const std::string& name,
                   char update, const Changes& changes) {
  if (!shows_) return;
  ListedEntry listed;
  listed.update = update;
  listed.type = entry.type;
  listed.path = name.empty() ? parent.directory->relative() : parent.directory->relative_of(name);
  listed.target = entry.target;
  listed.size = entry.size;
  listed.attributes.mode = entry.mode;
  listed.attributes.uid = entry.uid;
  listed.attributes.gid = entry.gid;
  listed.attributes.seconds = entry.seconds;
  listed.changes = changes;
  decision_.lines.push_back({true, format_line(options_.out_format, listed)});
}

void Decider::fail(std::uint64_t entry, const TargetDirectory& parent, const std::string& name,
                   const std::string& cause) {
  ++decision_.counts.failed;
  decision_.failed_entries.push_back(entry);
  decision_.lines.push_back(
      {false, fmt::format("'{}': {}", printable(parent.directory->path_of(name)), cause)});
}

void Decider::throw_malformed(const std::string& cause) const {
  throw Error(Status::kDamaged, "receive a tree", "the sender sent " + cause);
}

}  // namespace rdpipe
