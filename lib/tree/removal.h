// The sources that go once they are in place at the other end (remove_source_files): collected while they are
// sent, removed when the receiver has committed everything. One thread at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "io/loop.h"
#include "tree/directory.h"
#include "tree/note.h"
#include "tree/walk.h"

namespace rdpipe {

class SourceRemovals {
 public:
  // `cache`: that the items' directories are opened with. `follow`: symlinks were (copy_links).
  SourceRemovals(std::shared_ptr<DirectoryCache> cache, bool follow);

  void add(const SourceItem& item);
  // This entry is not in place: it stays, and so does what is a hard link to it.
  void keep(std::uint64_t entry);
  // What the entry's target was before: where that is its source, the source stays.
  void add_target(std::uint64_t entry, FileIdentity target) { targets_.insert_or_assign(entry, target); }
  // Removes them on a worker of `loop`, and sleeps meanwhile. Returns how many could not be removed; `tell`
  // hears a line for each. Throws what the loop's wait() does.
  [[nodiscard]] std::uint64_t run(Loop& loop, const std::function<void(const std::string& line)>& tell);

 private:
  [[nodiscard]] bool is_kept(std::uint64_t entry) const { return entry < kept_.size() && kept_[entry]; }
  [[nodiscard]] bool is_target(std::uint64_t entry, FileIdentity source) const;
  [[nodiscard]] std::vector<std::string> remove(std::span<const SourceItem> items);
  [[nodiscard]] std::string remove(const SourceItem& item);

  std::shared_ptr<DirectoryCache> cache_;
  bool follow_;
  std::vector<SourceItem> items_;
  std::unordered_map<std::uint64_t, FileIdentity> targets_;
  std::vector<bool> kept_;  // by entry: a bit for each, however many the receiver names
};

}  // namespace rdpipe
