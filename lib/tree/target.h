// What a receiver keeps of a tree while it is written: directories, and entries that wait for their content.
// Values; each belongs to one thread at a time.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tree/attributes.h"
#include "tree/directory.h"
#include "tree/names.h"
#include "tree/record.h"

namespace rdpipe {

// How an entry at the receiver differs from that at the sender; all of it where it is new.
struct Changes {
  bool created = false, replaced = false;  // not there; there as something of another type
  bool content = false;                    // of a file: its digest differs, as far as that was asked
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
};

struct TargetDirectory {
  std::shared_ptr<Directory> directory;
  std::uint64_t number = 0;
  std::shared_ptr<TargetDirectory> parent{};
  bool fresh = false;    // made by this copy: nothing else is in it
  bool absent = false;   // not there, and it will not be made (dry_run)
  bool skipped = false;  // what is in it is not copied either
  bool merged = false;   // the destination itself: more than one source may go into it
  bool touched = false;  // something was written into it
  NameSet names{};       // that the sender has listed
  std::optional<struct stat> old{};
  Attributes attributes{};
  Changes changes{};
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
  bool resumes = false;  // leaves of a partial file were offered
};

// Where the first of several names of an inode is, for its hard links.
struct LinkHead {
  std::shared_ptr<TargetDirectory> directory;
  std::string name;
};

struct WantedLink {
  std::uint64_t entry = 0;
  std::uint64_t head = 0;
  EntryType type{};
  std::shared_ptr<TargetDirectory> directory;
  std::string name;
};

}  // namespace rdpipe
