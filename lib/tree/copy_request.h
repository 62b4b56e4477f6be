// What a receiver has asked for, by its user's own options (CopyOptions::requested): a sender that is not
// trusted may send nothing else, whatever it wants to overwrite. Pure; any thread.
#pragma once

#include <optional>
#include <string>

#include "tree/copy.h"
#include "tree/file_list.h"
#include "tree/filter.h"
#include "tree/record.h"
#include "tree/target.h"

namespace rdpipe {

class CopyRequest {
 public:
  // `options` outlives it. Throws Error{kUsage} for a list of files that makes no sense.
  explicit CopyRequest(const CopyOptions& options);

  // Of a name at the top.
  [[nodiscard]] bool has_source(const EntryRecord& entry) const;
  // Of an entry in `parent`, null for the destination itself, by its kind, the filters and the list of files.
  [[nodiscard]] bool allows(const EntryRecord& entry, const TargetDirectory* parent) const;
  // What of the list of files lies beneath the directory `entry`; null: all that is there.
  [[nodiscard]] const FileList::Node* beneath(const EntryRecord& entry, const TargetDirectory* parent) const;

 private:
  [[nodiscard]] bool is_asked_for() const { return !options_.requested.empty(); }
  [[nodiscard]] const FileList::Node* listed(const EntryRecord& entry, const TargetDirectory* parent) const;

  const CopyOptions& options_;
  Filters filters_;
  std::optional<FileList> list_;
};

}  // namespace rdpipe
