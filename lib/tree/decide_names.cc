// Where the receiver puts what is listed, by its name; and which names it takes.
#include <fmt/format.h>
#include <fnmatch.h>

#include <utility>

#include "files/target.h"
#include "ground/error.h"
#include "tree/decide.h"

namespace rdpipe {
namespace {

// Whether glob(3) there may have made `name` of it: a dot in front is matched by a dot alone.
bool is_glob_of(const std::string& pattern, const std::string& name) {
  return is_pattern(pattern) && ::fnmatch(pattern.c_str(), name.c_str(), FNM_PERIOD) == 0;
}

}  // namespace

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

// A sender that was asked for some names may not send others, whatever it wants to overwrite.
void Decider::require_requested(const EntryRecord& entry) const {
  if (options_.requested.empty()) return;
  for (const std::string& source : options_.requested) {
    const std::string last = split_path(without_slashes(source)).leaf;
    if (entry.name == "." ? source.empty() || stands_for_contents(source) || options_.files_from.has_value()
                          : last == entry.name || is_glob_of(last, std::string(entry.name))) {
      return;
    }
  }
  throw_malformed(fmt::format("'{}', which nobody asked for", printable(entry.name)));
}

// Whether it may have this name, which another source may have brought: at the top no second one does. Where
// the contents of sources meet, the last one has it; but not where the first one's source goes once it is in
// place.
bool Decider::claim(TargetDirectory& parent, const std::string& name, bool is_directory) {
  if (parent.number == 0 && !parent.names.insert(name)) return false;
  if (!options_.remove_source_files || sources_ < 2) return true;
  const std::string path = parent.directory->relative_of(name);
  return is_directory ? !claimed_.contains(path) : claimed_.insert(path);
}

}  // namespace rdpipe
