// What a receiver keeps of a tree while it is written: directories, and entries that wait for their content.
// Values; each belongs to one thread at a time.
#pragma once

#include <sys/stat.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ground/descriptor.h"
#include "tree/attributes.h"
#include "tree/copy.h"
#include "tree/directory.h"
#include "tree/file_list.h"
#include "tree/names.h"
#include "tree/record.h"

namespace rdpipe {

// How an entry at the receiver differs from that at the sender; all of it where it is new.
struct Changes {
  bool created = false, replaced = false;  // not there; there as something of another type
  bool content = false;                    // of a file: its digest was asked for, and differs
  bool time_now = false;                   // without -t, what moves has the time of the copy
  bool size = false, time = false, mode = false, owner = false, group = false, acl = false, xattrs = false;
  [[nodiscard]] bool any() const {
    return created || replaced || content || size || time || mode || owner || group || acl || xattrs;
  }
  [[nodiscard]] bool attributes() const { return time || mode || owner || group || acl || xattrs; }
};

// What an entry is to have, in this host's ids.
struct Attributes {
  mode_t mode = 0;         // 07777
  bool exact_mode = true;  // false: of a new file: the umask or the directory's default ACL cuts it
  std::uint32_t uid = 0, gid = 0;
  std::int64_t seconds = 0;
  std::uint32_t nanoseconds = 0;
  std::vector<XattrValue> xattrs{};
  bool lacks_xattrs = false;  // unknown, ACLs apart: those that are there stay
};

// What a new file in a directory gets by itself: found out once. Any thread.
class NewFileTraits {
 public:
  [[nodiscard]] std::optional<std::uint64_t> owner() const {
    const std::uint64_t value = owner_.load(std::memory_order_relaxed);
    return value == kUnknown ? std::nullopt : std::optional(value);
  }
  void set_owner(std::uint32_t uid, std::uint32_t gid) {
    owner_.store(pack(uid, gid), std::memory_order_relaxed);
  }
  [[nodiscard]] static std::uint64_t pack(std::uint32_t uid, std::uint32_t gid) {
    return std::uint64_t{uid} << 32 | gid;
  }
  // Whether it has a default ACL, which then decides of modes.
  [[nodiscard]] std::optional<bool> inherits() const {
    const int value = inherits_.load(std::memory_order_relaxed);
    return value < 0 ? std::nullopt : std::optional(value == 1);
  }
  void set_inherits(bool inherits) { inherits_.store(inherits ? 1 : 0, std::memory_order_relaxed); }

 private:
  static constexpr std::uint64_t kUnknown = ~std::uint64_t{0};
  std::atomic<std::uint64_t> owner_{kUnknown};
  std::atomic<int> inherits_{-1};
};

struct TargetDirectory {
  std::shared_ptr<Directory> directory;
  std::uint64_t number = 0;
  bool fresh = false;                    // made by this copy: nothing else is in it
  bool absent = false;                   // not there, and it will not be made (dry_run)
  bool skipped = false;                  // what is in it is not copied either
  bool merged = false;                   // the destination itself: more than one source may go into it
  bool meets = false;                    // stays open to its owner: another source may have it too
  bool touched = false;                  // something was written into it
  bool holds_backups = false;            // --backup-dir, or beneath it
  bool is_scope = false;                 // CopyOptions::beneath itself: it keeps all but its time
  const FileList::Node* only = nullptr;  // what was asked for of it; null: all
  NameSet names{};                       // that the sender has listed
  std::optional<struct stat> old{};
  Attributes attributes{};
  Changes changes{};
  NewFileTraits new_files{};
};

// A regular file that was asked for.
struct WantedFile {
  std::uint64_t entry = 0;
  std::shared_ptr<TargetDirectory> directory;
  std::string name;
  std::uint64_t size = 0;
  Attributes attributes{};
  std::optional<struct stat> old{};  // what is there now
  Changes changes{};
  bool sparse = false;                       // the sender's has holes
  bool in_place = false;                     // written into the file that is there, if it is large
  bool passed_over = false;                  // what is there stays, whatever the sender has
  std::vector<Digest128> leaves{};           // of a partial file, that were offered
  std::shared_ptr<const Descriptor> part{};  // ... that file, open and locked
  [[nodiscard]] bool resumes() const { return !leaves.empty(); }
};

// Where the first of several names of an inode is, or what stands in for it, for its hard links.
struct LinkHead {
  std::shared_ptr<TargetDirectory> directory;
  std::string name;
  bool passed_over = false;  // what is there is not the sender's
};

struct WantedLink {
  std::uint64_t entry = 0;
  std::uint64_t head = 0;
  EntryType type{};
  std::shared_ptr<TargetDirectory> directory;
  std::string name;
  std::int64_t seconds = 0;  // of its modification
  std::uint32_t nanoseconds = 0;
  bool skipped = false;  // nothing is to be linked: it stands in for its head, or that was said
};

}  // namespace rdpipe
