// Directories of a tree that is walked or written, and their descriptors. A Directory is a name beneath its
// parent; it is opened one component at a time beneath its root, never through a symlink, and is the same one
// each time (device and inode are compared): paths of any length, and a name that somebody swaps meanwhile,
// lead nowhere else. Descriptors are O_PATH, few of them open at a time. Any thread.
#pragma once

#include <sys/types.h>

#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "ground/descriptor.h"

namespace rdpipe {

class DirectoryCache;

class Directory {
 public:
  // A root: `fd` stays open as long as it lives. `path` for messages; `relative` from the top of the
  // transfer.
  Directory(Descriptor fd, std::string path, std::string relative);
  // `follow`: it may be a symlink to one (of a source that is read with -L).
  Directory(std::shared_ptr<Directory> parent, std::string name, bool follow);
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  ~Directory();

  // Of a root, before anybody else has it: its entry `name` is called `shown` in what relative() gives.
  void show_as(std::string name, std::string shown);

  [[nodiscard]] std::string path() const;                          // for messages
  [[nodiscard]] std::string path_of(std::string_view name) const;  // ... of an entry in it
  [[nodiscard]] std::string relative() const;                      // "" at the top
  [[nodiscard]] std::string relative_of(std::string_view name) const;
  [[nodiscard]] const std::shared_ptr<Directory>& parent() const { return parent_; }  // null for a root
  [[nodiscard]] const std::string& name() const { return name_; }

 private:
  friend class DirectoryCache;
  [[nodiscard]] std::string join(bool from_top) const;
  [[nodiscard]] std::string_view shown(std::string_view name) const;

  std::shared_ptr<Directory> parent_;
  std::string name_;             // of a root: its path for messages
  std::string relative_;         // of a root
  std::string renamed_, shown_;  // ... and what its entry `renamed_` is called
  bool follow_ = false;

  // Guarded by the cache.
  std::shared_ptr<const Descriptor> open_;
  std::list<std::weak_ptr<Directory>>::iterator place_{};
  bool cached_ = false;
  bool known_ = false;  // device and inode are those of the first time it was opened
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

// The directory `path`, from `at` or, absolute, from the root, one component at a time: only those that begin
// within the first `trusted` bytes, the user's own words, may be symlinks. `mode`: what is missing is made
// with it; 0: nothing is made. Empty with errno set when it cannot be opened.
[[nodiscard]] Descriptor open_path(int at, std::string_view path, std::size_t trusted, mode_t mode);

// Gives its owner all access to the directory `fd`, which may be O_PATH. Returns the mode it had; nothing
// with errno set on failure.
[[nodiscard]] std::optional<mode_t> open_to_owner(int fd);

using DirectoryLease = std::shared_ptr<const Descriptor>;

class DirectoryCache {
 public:
  DirectoryCache();
  // Its descriptor, open for as long as the lease is held; empty with errno set when it cannot be opened
  // (ESTALE: another one has its name).
  [[nodiscard]] DirectoryLease open(const std::shared_ptr<Directory>& directory);
  // Whether `device` and `inode` are those of it or of one above it.
  [[nodiscard]] bool is_within(const Directory* directory, dev_t device, ino_t inode);

 private:
  [[nodiscard]] DirectoryLease open_child(const DirectoryLease& parent,
                                          const std::shared_ptr<Directory>& child);
  void remember(const std::shared_ptr<Directory>& directory, DirectoryLease lease);

  std::mutex mutex_;
  std::size_t limit_;
  std::list<std::weak_ptr<Directory>> recent_;  // most recent first
};

// A directory that is open to its owner for as long as this lives, and has its mode again then; where that
// may not be, it stays as it is. `cache` outlives it.
class OpenedToOwner {
 public:
  OpenedToOwner(DirectoryCache& cache, std::shared_ptr<Directory> directory);
  OpenedToOwner(const OpenedToOwner&) = delete;
  OpenedToOwner& operator=(const OpenedToOwner&) = delete;
  ~OpenedToOwner();

 private:
  DirectoryCache& cache_;
  std::shared_ptr<Directory> directory_;
  std::optional<mode_t> mode_;  // nothing: it was open
};

}  // namespace rdpipe
