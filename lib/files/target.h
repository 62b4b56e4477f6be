// What a target path means, found out without touching it: which directory and name it comes down to after
// symlinks, what is there, and whether it may be replaced. Values; any thread.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <optional>
#include <string>

#include "files/files.h"
#include "ground/descriptor.h"

namespace rdpipe {

enum class TargetKind : std::uint8_t {
  kReplaced,  // a temporary beside it, renamed over it at the end; it may not exist yet
  kInPlace,   // written itself: a block device, or what the user asked for
  kStream,    // written itself, in order: a FIFO or a character device
};

struct Target {
  std::string path;      // as given
  std::string name;      // for messages: "'out'"
  Descriptor directory;  // O_PATH; empty for a stream
  std::string leaf;      // the name within it, after all symlinks
  TargetKind kind = TargetKind::kReplaced;
  std::optional<struct stat> old{};  // what was there
  bool fresh = false;                // nothing may be replaced
};

// A path as a directory, "." where it has none, and the name in it.
struct SplitPath {
  std::string directory, leaf;
};
[[nodiscard]] SplitPath split_path(const std::string& path);
[[nodiscard]] std::string without_slashes(std::string path);  // at its end; "/" stays

// Throws Error{kEndpoint} for what cannot become a file: a directory, a missing directory, no permission. A
// file that may not be written is refused although it could be replaced, as cp and `>` do. Creates nothing.
[[nodiscard]] Target examine_target(const std::string& path, const FileOptions& options);

}  // namespace rdpipe
