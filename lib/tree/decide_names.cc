// Where the receiver puts what is listed, by its name; and which names it takes.
#include <fmt/format.h>

#include <utility>

#include "ground/error.h"
#include "tree/decide.h"

namespace rdpipe {

// The directory that `entry` goes into; null: it is the destination itself.
std::shared_ptr<TargetDirectory> Decider::directory_of(const EntryRecord& entry, std::string& name) {
  if (entry.parent == 0) {
    if (!request_.has_source(entry)) throw_unasked(printable(entry.name));
    auto top = top_of(entry, name);
    if (!request_.allows(entry, top.get())) throw_unasked(printable(entry.name));
    return top;
  }
  const auto found = directories_.find(entry.parent);
  if (found == directories_.end()) throw_malformed("an entry in a directory that was not listed");
  if (!request_.allows(entry, found->second.get())) {
    throw_unasked(printable(found->second->directory->path_of(entry.name)));
  }
  if (!found->second->names.insert(entry.name)) {
    throw_malformed(fmt::format("'{}' twice", printable(found->second->directory->path_of(entry.name))));
  }
  return found->second;
}

std::shared_ptr<TargetDirectory> Decider::top_of(const EntryRecord& entry, std::string& name) {
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
    base_->fresh = destination_->created && sources_ == 1;  // the contents of another may come first
    base_->absent = !destination_->directory;
    base_->merged = true;
    if (!base_->absent && !destination_->rename.empty()) {
      base_->directory->show_as(destination_->rename, std::string(entry.name));
    }
    if (base_->absent) base_->directory = std::make_shared<Directory>(Descriptor(), path_, "");
  }
  set_root(base_->directory);
  if (!destination_->rename.empty()) name = destination_->rename;
  return base_;
}

// At once: what comes next may be backed up.
void Decider::set_root(const std::shared_ptr<Directory>& root) {
  if (root_) return;
  root_ = root;
  writer_.set_base(root);
}

void Decider::throw_unasked(const std::string& path) const {
  throw_malformed(fmt::format("'{}', which nobody asked for", path));
}

// Whether it may have this name, which another source may have brought: no second one does, but directories
// meet where the contents of sources do.
bool Decider::claim(TargetDirectory& parent, const std::string& name, bool is_directory) {
  if (parent.number == 0 && !parent.names.insert(name)) return false;
  if (sources_ < 2) return true;
  const std::string path = parent.directory->relative_of(name);
  return is_directory ? !claimed_.contains(path) : claimed_.insert(path);
}

// What comes where backups are kept must not be taken for one, and replaced by the next.
void Decider::reserve(const TargetDirectory& parent, const std::string& name) {
  if (!options_.backup || parent.absent || parent.skipped) return;
  const bool looks_like_one =
      writer_.backs_up_beside() ? name.ends_with(suffix_of_backups(options_)) : parent.holds_backups;
  const auto lease = looks_like_one ? writer_.cache().open(parent.directory) : DirectoryLease();
  if (lease) writer_.reserve(lease->get(), name);
}

}  // namespace rdpipe
