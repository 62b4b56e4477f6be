#include "tree/decide.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "ground/error.h"
#include "io/workers.h"
#include "tree/content.h"
#include "tree/host.h"
#include "tree/partial.h"

namespace rdpipe {
namespace {

constexpr std::size_t kMaxIds = 1000000;
constexpr std::size_t kMaxParts = 32;  // descriptors that are held: what more there is, is sent anew

}  // namespace

Decider::Decider(std::string destination, const CopyOptions& options, Writer& writer, Deleter& deleter)
    : path_(std::move(destination)),
      options_(options),
      writer_(writer),
      deleter_(deleter),
      request_(options),
      mode_change_(ModeChange::parse(options.chmod, writer.umask()).value_or(ModeChange())) {}

Decision Decider::decide(std::span<const std::byte> records) {
  decision_ = {};
  RecordReader reader;
  reader.add(records);
  while (const auto record = reader.next()) {
    if (is_unwanted()) break;
    if (record->type == RecordType::kBegin) {
      const auto begin = decode_begin(record->body);
      if (!begin || begun_) throw_malformed("a malformed record");
      if (begin->version != kTreeVersion) throw_other_version("receive a tree", begin->version);
      begun_ = true;
      sources_ = begin->sources;
      shares_host_ = begin->host == this_host();
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
    } else if (record->type == RecordType::kDirectoryEnd) {
      const auto end = decode_directory_end(record->body);
      if (!end) throw_malformed("a malformed record");
      directories_.erase(end->directory);  // from here on it is the Finisher's, who may look at it meanwhile
    }
  }
  return std::move(decision_);
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
  if (parent) reserve(*parent, name);
  if (!parent) {
    take_contents(entry);
  } else if (entry.type == EntryType::kDirectory) {
    take_directory(entry, parent, name);
  } else if (entry.head) {  // also one that is skipped: its LINK comes all the same
    take_link(entry, parent, name);
  } else if (!take_content(entry, parent, name) && entry.is_head) {
    heirs_.emplace(next_entry_, next_entry_);
  }
  ++next_entry_;
  listed_.add(entry);
}

bool Decider::take_content(const EntryRecord& entry, const std::shared_ptr<TargetDirectory>& parent,
                           const std::string& name) {
  if (!parent->skipped) {
    return entry.type == EntryType::kFile ? take_file(entry, parent, name) : take_other(entry, parent, name);
  }
  if (entry.type == EntryType::kFile) answer(TreeVerdict::kSkip);
  keep_source();
  return false;
}

// The entry is left as it is here, whatever the sender has: that is no failure, and its source stays.
void Decider::keep_source() {
  if (options_.remove_source_files) decision_.unplaced.push_back(next_entry_);
}

// What is there may be the sender's file itself.
void Decider::remember_target(const struct stat& now) {
  if (shares_host_ && options_.remove_source_files) {
    decision_.targets.push_back({next_entry_, {now.st_dev, now.st_ino}});
  }
}

bool Decider::take_file(const EntryRecord& entry, const std::shared_ptr<TargetDirectory>& parent,
                        const std::string& name) {
  decision_.file_bytes += entry.size;
  WantedFile file{.entry = next_entry_, .directory = parent, .name = name, .size = entry.size};
  file.sparse = entry.has_holes || options_.sparse;
  if (!claim(*parent, name, false)) {
    answer(TreeVerdict::kSkip);
    fail(next_entry_, *parent, name, kNameTaken);
    return false;
  }
  if (entry.is_head) decision_.heads.push_back({next_entry_, {parent, name}});
  try {
    const auto lease = parent->absent ? DirectoryLease() : writer_.open(parent->directory);
    const int at = lease ? lease->get() : -1;
    if (wants(entry, file, at)) {
      ask_for(std::move(file), at);
    } else {
      answer(TreeVerdict::kSkip);
      if (file.passed_over) keep_source();
      if (entry.is_head) decision_.heads.back().second.passed_over = file.passed_over;
    }
    return true;
  } catch (const EntryError& error) {
    if (entry.is_head) decision_.heads.pop_back();
    answer(TreeVerdict::kSkip);
    fail(next_entry_, *parent, name, cause_of(error));
    return false;
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
  if (exists) remember_target(now);
  file.passed_over = exists ? options_.ignore_existing || (is_file && options_.update &&
                                                           is_newer(now, entry.seconds, entry.nanoseconds))
                            : options_.existing;
  if (file.passed_over) return false;
  if (!is_file) {
    if (exists && S_ISDIR(now.st_mode)) make_way(*file.directory, file.name, now, at);
    return true;
  }
  compare(file.attributes, now, at, file.name, file.changes);
  file.changes.size = static_cast<std::uint64_t>(now.st_size) != entry.size;
  file.in_place = writes_in_place(file);
  if (!is_same_content(entry, now, at, file.name) || is_written_into(now)) {
    file.changes.content = options_.checksum;
    file.changes.time_now = !options_.times;
    return true;
  }
  if (file.changes.attributes()) {
    correct(*file.directory, file.name, at, now, file.attributes, file.changes);
    show(entry, *file.directory, file.name, '.', file.changes);
  }
  return false;
}

// Into the file that is there, if it is large: but one that has other names may be another entry's, too, and
// then the first one has it. One whose special bits are to go never holds new content with them.
bool Decider::writes_in_place(const WantedFile& file) {
  if (!options_.inplace || options_.backup || !options_.partial_dir.empty()) return false;
  if (options_.drop_special_bits && (file.old->st_mode & (S_ISUID | S_ISGID)) != 0) return false;
  return file.old->st_nlink == 1 || seen_.insert({file.old->st_dev, file.old->st_ino}).second;
}

bool Decider::is_written_into(const struct stat& now) const {
  return now.st_nlink > 1 && written_into_.contains({now.st_dev, now.st_ino});
}

bool Decider::is_same_content(const EntryRecord& entry, const struct stat& now, int at,
                              const std::string& name) const {
  if (options_.ignore_times || static_cast<std::uint64_t>(now.st_size) != entry.size) return false;
  if (!options_.checksum) {
    return options_.size_only || is_same_time(now, entry.seconds, entry.nanoseconds, at);
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
  if (file.in_place && file.old->st_nlink > 1) written_into_.insert({file.old->st_dev, file.old->st_ino});
  const bool may_resume = keeps_partial(options_) && !file.in_place;
  if (may_resume && file.size > kPageSize) offer_leaves(file, at);
  answer(file.resumes() ? TreeVerdict::kResume : TreeVerdict::kSend);
  decision_.wanted.push_back(std::move(file));
}

void Decider::offer_leaves(WantedFile& file, int at) {
  if (!may_hold_part()) return;
  auto part = open_part(partial_place(at, file, options_, false));
  struct stat now {};
  if (!part || ::fstat(part->get(), &now) == -1) return;
  auto leaves = leaf_digests(part->get(), 0, std::min(file.size, static_cast<std::uint64_t>(now.st_size)));
  if (!leaves || leaves->empty()) return;
  for (std::size_t first = 0; first < leaves->size(); first += kMaxLeavesInNote) {
    const auto count = std::min(kMaxLeavesInNote, leaves->size() - first);
    const auto begin = leaves->begin() + static_cast<std::ptrdiff_t>(first);
    decision_.leaves.push_back({file.entry, first, {begin, begin + static_cast<std::ptrdiff_t>(count)}});
  }
  file.leaves = std::move(*leaves);
  parts_.emplace_back(part);
  file.part = std::move(part);
}

bool Decider::may_hold_part() {
  if (parts_.size() < kMaxParts) return true;
  std::erase_if(parts_, [](const auto& part) { return part.expired(); });
  return parts_.size() < kMaxParts;
}

void Decider::take_link(const EntryRecord& entry, const std::shared_ptr<TargetDirectory>& parent,
                        const std::string& name) {
  if (!options_.hard_links || *entry.head >= next_entry_) throw_malformed("a hard link to nothing");
  WantedLink link{
      .entry = next_entry_, .head = *entry.head, .type = entry.type, .directory = parent, .name = name};
  link.seconds = entry.seconds;
  link.nanoseconds = entry.nanoseconds;
  const auto heir = heirs_.find(*entry.head);
  if (heir != heirs_.end() && heir->second == *entry.head) {
    EntryRecord alone = entry;
    alone.head.reset();
    alone.is_head = true;
    const std::size_t wanted = decision_.wanted.size();
    if (take_content(alone, parent, name)) heir->second = next_entry_;
    link.skipped = true;
    if (decision_.wanted.size() == wanted) decision_.links.push_back(std::move(link));  // its LINK comes
    return;
  }
  if (heir != heirs_.end()) link.head = heir->second;
  link.skipped = parent->skipped || !claim(*parent, name, false);
  if (link.skipped && !parent->skipped) fail(next_entry_, *parent, name, kNameTaken);
  if (parent->skipped) keep_source();
  if (entry.type == EntryType::kFile) answer(TreeVerdict::kSkip);
  decision_.links.push_back(std::move(link));
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
  decision_.unplaced.push_back(entry);
  decision_.lines.push_back(
      {false, fmt::format("'{}': {}", printable(parent.directory->path_of(name)), cause)});
}

void Decider::throw_full(const TargetDirectory& parent, const std::string& name, const EntryError& error) {
  throw Error(Status::kFileIo, fmt::format("store '{}'", printable(parent.directory->path_of(name))),
              errno_text(error.error));
}

void Decider::throw_malformed(const std::string& cause) const {
  throw Error(Status::kDamaged, "receive a tree", "the sender sent " + cause);
}

}  // namespace rdpipe
