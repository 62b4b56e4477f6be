#include "tree/copy_request.h"

#include <fnmatch.h>

#include <algorithm>

#include "files/target.h"
#include "tree/safe_links.h"

namespace rdpipe {
namespace {

// Whether glob(3) there may have made `name` of it: a dot in front is matched by a dot alone.
bool is_glob_of(const std::string& pattern, const std::string& name) {
  return is_pattern(pattern) && ::fnmatch(pattern.c_str(), name.c_str(), FNM_PERIOD) == 0;
}

}  // namespace

CopyRequest::CopyRequest(const CopyOptions& options) : options_(options), filters_(options.filters) {
  if (is_asked_for() && options.files_from) list_.emplace(*options.files_from);
}

bool CopyRequest::has_source(const EntryRecord& entry) const {
  if (!is_asked_for()) return true;
  return std::ranges::any_of(options_.requested, [&](const std::string& source) {
    if (entry.name == ".") return source.empty() || stands_for_contents(source) || list_;
    const std::string last = split_path(without_slashes(source)).leaf;
    return !list_ && (last == entry.name || is_glob_of(last, std::string(entry.name)));
  });
}

bool CopyRequest::allows(const EntryRecord& entry, const TargetDirectory* parent) const {
  if (!is_asked_for()) return true;
  const bool is_directory = entry.type == EntryType::kDirectory;
  if (is_directory && !options_.recursive && !list_) return false;
  if (parent == nullptr) return true;
  if (parent->only != nullptr) {
    const FileList::Node* node = listed(entry, parent);
    if (node == nullptr || (!is_directory && !node->listed)) return false;
  }
  if (entry.type == EntryType::kSymlink) {
    if (options_.copy_links) return false;
    if (options_.safe_links && leads_out(parent->directory->relative(), entry.target)) return false;
  }
  return filters_.empty() || !filters_.excludes(parent->directory->relative_of(entry.name), is_directory);
}

const FileList::Node* CopyRequest::listed(const EntryRecord& entry, const TargetDirectory* parent) const {
  return parent == nullptr ? &list_->top() : parent->only->find(entry.name);
}

const FileList::Node* CopyRequest::beneath(const EntryRecord& entry, const TargetDirectory* parent) const {
  if (!list_ || (parent != nullptr && parent->only == nullptr)) return nullptr;
  const FileList::Node* node = listed(entry, parent);
  return node->listed && options_.recursive ? nullptr : node;
}

}  // namespace rdpipe
