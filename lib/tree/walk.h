// Walks the sources of a tree and writes down what is there: records for the stream, and beside them what the
// sender has yet to do for each entry. Blocks; runs on workers, in batches, one at a time. A directory's
// files come before its directories, so that one listing is open at a time and memory does not grow with the
// tree.
#pragma once

#include <dirent.h>
#include <sys/stat.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "tree/attributes.h"
#include "tree/copy.h"
#include "tree/directory.h"
#include "tree/file_list.h"
#include "tree/filter.h"
#include "tree/names.h"
#include "tree/note.h"
#include "tree/record.h"
#include "tree/scope.h"

namespace rdpipe {

// What the sender will do when it is its turn, in stream order.
struct SourceItem {
  enum class Kind : std::uint8_t { kFile, kLink, kDirectoryEnd, kPlain };  // kPlain: nothing is left to send

  Kind kind{};
  bool is_asked_for = false;               // the receiver says what it wants of it
  bool complete = false;                   // of kDirectoryEnd
  bool passes_on = false;                  // opened for a receiver in this process, instead of read
  bool incomplete = false;                 // not all of it can be sent: its source must not be removed
  std::optional<TreeVerdict> verdict{};    // ... once it has
  std::uint64_t number = 0;                // of the entry, or of the directory
  std::shared_ptr<Directory> directory{};  // where it is
  std::string name{};
  std::uint64_t size = 0;
  std::int64_t seconds = 0;
  std::uint32_t nanoseconds = 0;
  std::optional<std::uint64_t> head{};  // the entry that it is a link to
  FileIdentity identity{};              // of the name itself, where it is a symlink that is followed
};

struct WalkBatch {
  std::vector<std::byte> records;
  std::vector<SourceItem> items;
  std::vector<std::string> lines;  // for the user
  bool ended = false;
};

class Walk {
 public:
  // `cache` outlives it. Nothing is touched before next(). Throws Error{kUsage} for what a confined copy does
  // not do, and for a list of files that makes no sense.
  Walk(std::vector<std::string> sources, const CopyOptions& options, DirectoryCache& cache);
  ~Walk();

  // About `entries` more. The first time it expands patterns, says what there is to come (BEGIN), and throws
  // Error{kUsage} for sources that cannot go together.
  [[nodiscard]] WalkBatch next(std::size_t entries);
  // What was counted so far. After the end, all of it.
  [[nodiscard]] const EndRecord& counts() const { return counts_; }

 private:
  using Wanted = FileList::Node;
  [[nodiscard]] static bool is_on_the_way(const Wanted* wanted) {
    return wanted != nullptr && wanted->is_on_the_way();
  }
  struct CloseListing {
    void operator()(DIR* listing) const { ::closedir(listing); }
  };
  // A directory on the way from the top to where the walk is.
  struct Level {
    std::shared_ptr<Directory> directory;
    std::uint64_t number = 0;
    dev_t device = 0;
    bool begun = false;
    bool complete = true;
    const Wanted* only = nullptr;  // of --files-from; null: all of it
    std::unique_ptr<DIR, CloseListing> listing{};
    NameSet seen{};  // of the listing
    decltype(Wanted::below)::const_iterator at{};
    std::vector<std::string> directories{};  // to be entered when its files are done
    std::size_t entered = 0;
  };
  struct Place {
    std::shared_ptr<Directory> directory;
    int fd = -1;
    std::uint64_t number = 0;
    const Wanted* wanted = nullptr;
  };

  void begin();
  void begin_source(const std::string& source);
  void begin_contents(const std::string& source);
  void advance();
  [[nodiscard]] bool begin_level(Level& level);
  [[nodiscard]] std::optional<std::string> next_name(Level& level, bool& is_directory);
  [[nodiscard]] const Wanted* wanted_below(const Level& level, const std::string& name) const;
  void visit(const Place& place, const std::string& name);
  void fail_below(const Place& place, const std::string& name);
  void visit_directory(const Place& place, const std::string& name, const struct stat& status);
  [[nodiscard]] bool crosses(const Place& place, const struct stat& status) const;
  [[nodiscard]] bool enters(const Place& place, const struct stat& status, const Wanted*& only) const;
  [[nodiscard]] bool follows(const Place& place) const;
  void visit_other(const Place& place, const std::string& name, const struct stat& status);
  [[nodiscard]] bool fill_symlink(const Place& place, const std::string& name, EntryRecord& entry);
  void fill_common(const Place& place, const std::string& name, const struct stat& status,
                   EntryRecord& entry);
  void fill_xattrs(const Place& place, const std::string& name, EntryRecord& entry);
  void fill_digest(const Place& place, const std::string& name, const struct stat& status,
                   EntryRecord& entry);
  void fill_hard_link(const struct stat& status, EntryRecord& entry);
  void introduce(bool group, std::uint32_t id);
  void list(const EntryRecord& entry);
  void end_level();
  void leave_out(const Place& place, const std::string& name, const std::string& why);
  void lose(Level& level, int error);
  void vanish(const std::string& path);
  void fail(const std::string& path, const std::string& cause);
  void fail_errno(const std::string& path, int error);

  std::vector<std::string> sources_;
  const CopyOptions& options_;
  Scope scope_;
  DirectoryCache& cache_;
  Filters filters_;
  XattrChoice choice_;
  std::optional<FileList> list_;  // of --files-from
  bool begun_ = false;
  std::size_t next_source_ = 0;
  std::vector<Level> levels_;
  bool read_error_ = false;  // something was not seen: nothing may be deleted any more
  std::uint64_t next_directory_ = 1;
  std::unordered_set<std::uint64_t> introduced_;  // ids, groups with bit 32
  struct Inode {
    std::uint64_t entry = 0;
    std::uint64_t unseen = 0;           // names that may still come
    std::optional<Digest128> digest{};  // of its content
  };
  struct InodeHash {
    std::size_t operator()(const std::pair<dev_t, ino_t>& key) const {
      return std::hash<std::uint64_t>()(static_cast<std::uint64_t>(key.second) * 0x9E3779B97F4A7C15U ^
                                        key.first);
    }
  };
  std::unordered_map<std::pair<dev_t, ino_t>, Inode, InodeHash> inodes_;
  std::vector<XattrValue> xattrs_;  // of the entry that is being listed
  std::string target_;              // ... and its target
  EndRecord counts_;
  WalkBatch batch_;
};

}  // namespace rdpipe
