// Where the sources go: the rules of cp and scp (copy.h). Blocks; for workers.
#pragma once

#include <memory>
#include <string>

#include "tree/copy.h"
#include "tree/directory.h"
#include "tree/record.h"

namespace rdpipe {

struct Destination {
  std::shared_ptr<Directory> directory;  // that receives the names; null: it is not there (dry_run)
  std::string rename;                    // the name of the only source; empty: its own
  bool itself = false;                   // the source's contents go into `directory`
  bool created = false;                  // `directory` was made just now
};

// `first`: the first entry at the top. Throws Error{kEndpoint} for a destination that cannot be.
[[nodiscard]] Destination resolve_destination(const std::string& path, const CopyOptions& options,
                                              std::uint64_t sources, const EntryRecord& first);

}  // namespace rdpipe
