// Lines that say what is copied, in rsync's words. Pure; any thread.
#pragma once

#include <cstdint>
#include <string>

#include "tree/target.h"

namespace rdpipe {

struct ListedEntry {
  char update =
      '.';  // '<' or '>' content moves, 'c' made here, 'h' hard link, '.' attributes alone, '*' deleted
  EntryType type{};
  std::string path;    // from the top of the transfer
  std::string target;  // of a symlink or hard link
  std::uint64_t size = 0;
  std::uint64_t moved = 0;  // bytes of content
  Attributes attributes{};
  Changes changes{};
};

// One line, by `format` (copy.h).
[[nodiscard]] std::string format_line(const std::string& format, const ListedEntry& entry);
// The eleven characters of %i.
[[nodiscard]] std::string itemize(const ListedEntry& entry);

}  // namespace rdpipe
