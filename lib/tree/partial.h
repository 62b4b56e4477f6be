// Where the part of an interrupted file is kept until a later run completes it: beside the target under a
// name of its own, or in the directory that --partial-dir names. Blocks.
#pragma once

#include <string>

#include "ground/descriptor.h"
#include "tree/copy.h"
#include "tree/target.h"

namespace rdpipe {

struct PartialPlace {
  Descriptor directory;  // O_PATH; empty with errno set when it cannot be had
  std::string leaf;
  bool elsewhere = false;  // no directory, for that is on another file system: no part can be renamed from it
};

// `file` is in the open `directory`. `create`: makes a missing --partial-dir.
[[nodiscard]] PartialPlace partial_place(int directory, const WantedFile& file, const CopyOptions& options,
                                         bool create);
// What is kept of it, open and locked: nobody else writes into it before the last copy of the descriptor is
// closed. Null where there is nothing, or nothing of ours to go on with.
[[nodiscard]] std::shared_ptr<const Descriptor> open_part(const PartialPlace& place);
// Removes a --partial-dir in the open `directory` that is empty now, unless its name is one of `names`.
void drop_partial_directory(int directory, const NameSet& names, const CopyOptions& options);
[[nodiscard]] inline bool keeps_partial(const CopyOptions& options) {
  return options.partial || !options.partial_dir.empty();
}
// Whether `name` is that of a part of another file, or of the directory in which parts are kept.
[[nodiscard]] bool is_partial_name(const std::string& name, bool is_directory, const CopyOptions& options);

}  // namespace rdpipe
