// What is kept of an entry besides its content: extended attributes and ACLs as the kernel gives them, owners
// and their names. Blocking calls, for workers; no state but the caches of names, which belong to one thread
// at a time.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tree/record.h"

namespace rdpipe {

// One that was read: name and value.
struct XattrValue {
  std::string name, value;
  bool operator==(const XattrValue&) const = default;
};

struct XattrChoice {
  bool acls = false;       // system.posix_acl_access and _default
  bool xattrs = false;     // user.*; for root everything but system.*
  bool user_only = false;  // also for root: no more than user.*
};

[[nodiscard]] bool is_acl(std::string_view name);
// Whether an attribute of this name is one of those that are kept.
[[nodiscard]] bool is_chosen(std::string_view name, XattrChoice choice);

// The chosen attributes of the entry `name` in the directory `fd`, sorted by name; a symlink's own
// unless `follow`. Where they are not supported: none. False with errno set when they cannot be read; E2BIG
// for more than an ENTRY has room for.
[[nodiscard]] bool read_xattrs(int directory, const std::string& name, XattrChoice choice,
                               std::vector<XattrValue>& into, bool follow = false);
// The same of an open file or directory; `fd` may be O_PATH.
[[nodiscard]] bool read_xattrs(int fd, XattrChoice choice, std::vector<XattrValue>& into);

// Makes the chosen attributes of an entry those that are `wanted`: sets what differs, removes what is too
// much. False with errno set when one could not be set. ACLs only with `acls`.
[[nodiscard]] bool write_xattrs(int directory, const std::string& name, XattrChoice choice,
                                const std::vector<XattrValue>& wanted);
[[nodiscard]] bool write_xattrs(int fd, XattrChoice choice, const std::vector<XattrValue>& wanted);

// Calls `map` with each id that an ACL names and puts its answer in the id's place. False for what is no ACL.
[[nodiscard]] bool map_acl(std::string& value,
                           const std::function<std::uint32_t(bool group, std::uint32_t id)>& map);

// An ACL without what the mode says as well: the owner's permissions, the mask and everybody's. Other
// attributes as they are.
[[nodiscard]] XattrValue without_mode(const XattrValue& acl);

// The mode's rights (0777) that a new file in the open `directory`, which may be O_PATH, can have by its
// default ACL. Nothing where it has none: then it is the umask that decides.
[[nodiscard]] std::optional<mode_t> most_by_default_acl(int directory);

// The name of a user or group; empty where it has none.
[[nodiscard]] std::string name_of_id(bool group, std::uint32_t id);
[[nodiscard]] std::optional<std::uint32_t> id_of_name(bool group, const std::string& name);

// The S_IFMT bits of an entry's mode.
[[nodiscard]] mode_t format_of(EntryType type);

// Throws Error{kFileIo} where /proc cannot be read, as behind the walls of a server: ask before.
[[nodiscard]] mode_t umask_of_self();
[[nodiscard]] bool is_root();
// Those that this user may give to a file of theirs.
[[nodiscard]] std::vector<gid_t> groups_of_self();

}  // namespace rdpipe
