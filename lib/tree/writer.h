// Puts entries in place beneath a target directory: a temporary name beside the target, attributes, then a
// rename; what was there is backed up or gone. Nothing follows a symlink. Blocking calls, for workers;
// thread-safe. Failures are thrown as Error{kFileIo}; one that no other file can escape (a full disk)
// is_fatal().
#pragma once

#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ground/descriptor.h"
#include "ground/error.h"
#include "tree/copy.h"
#include "tree/directory.h"
#include "tree/file_systems.h"
#include "tree/names.h"
#include "tree/target.h"

namespace rdpipe {

// What the name of a file that is kept ends with; may be empty.
[[nodiscard]] inline std::string suffix_of_backups(const CopyOptions& options) {
  return options.backup_suffix.value_or(options.backup_dir.empty() ? "~" : "");
}

// A failure of one entry, with errno kept.
struct EntryError {
  int error = 0;
  std::string attempt{};  // "" or what was tried: "set its owner"
};

constexpr const char* kSetXattrs = "set its extended attributes";

// Whether going on with other files is pointless: no space, no quota. For attributes there may be no room
// although there is for files.
[[nodiscard]] bool is_fatal(const EntryError& error);
// For people: "set its owner: Operation not permitted".
[[nodiscard]] std::string cause_of(const EntryError& error);

class Writer {
 public:
  Writer(const CopyOptions& options, DirectoryCache& cache);

  [[nodiscard]] DirectoryCache& cache() const { return cache_; }
  [[nodiscard]] const CopyOptions& options() const { return options_; }
  [[nodiscard]] bool as_root() const { return root_; }  // is root, and acts as such
  [[nodiscard]] mode_t umask() const { return umask_; }
  // Whether entries get this group: it was asked for, and is one that this user may give.
  [[nodiscard]] bool sets_group(std::uint32_t gid) const {
    return options_.group && (root_ || std::ranges::find(groups_, gid) != groups_.end());
  }
  // Of an entry that is to have `attributes`.
  [[nodiscard]] XattrChoice xattr_choice(const Attributes& attributes) const {
    return {options_.acls, options_.xattrs && !attributes.lacks_xattrs, options_.unprivileged};
  }

  // Throws EntryError.
  [[nodiscard]] DirectoryLease open(const std::shared_ptr<Directory>& directory) const;

  // Something is written into this open file or directory: its file system is one of those that sync() is
  // for.
  void wrote(int fd) const {
    if (options_.fsync) file_systems_.see(fd);
  }
  // Puts all that was written on the medium. Returns 0 or an errno value.
  [[nodiscard]] int sync() const { return file_systems_.sync(); }

  // A whole small file, put in place. Throws EntryError when it is not; returns what it is in place without.
  [[nodiscard]] std::optional<EntryError> write_file(const WantedFile& wanted,
                                                     std::span<const std::byte> content) const;
  // The same of an open file on this host.
  [[nodiscard]] std::optional<EntryError> copy_file(const WantedFile& wanted, int source,
                                                    std::atomic<std::uint64_t>& done) const;
  // The same of what has no content.
  [[nodiscard]] std::optional<EntryError> make_symlink(const std::shared_ptr<Directory>& where, int directory,
                                                       const std::string& name, const std::string& target,
                                                       const Attributes& attributes, bool fresh) const;
  [[nodiscard]] std::optional<EntryError> make_special(const std::shared_ptr<Directory>& where, int directory,
                                                       const std::string& name, mode_t type, dev_t device,
                                                       const Attributes& attributes) const;
  // Returns false when it is one already.
  [[nodiscard]] bool make_link(int head_directory, const std::string& head,
                               const std::shared_ptr<Directory>& where, int directory,
                               const std::string& name) const;

  // Of a file that was written, and is not in its place yet. Returns what could not be set: without its owner
  // or its group it gives no rights that were meant for them. Throws EntryError for what is_fatal().
  [[nodiscard]] std::optional<EntryError> set_attributes(int fd, const Attributes& attributes) const;
  // The same of what is there: `now` is its status.
  [[nodiscard]] std::optional<EntryError> update_attributes(int directory, const std::string& name,
                                                            const struct stat& now,
                                                            const Attributes& attributes) const;
  [[nodiscard]] std::optional<EntryError> update_time(int directory, const std::string& name,
                                                      const Attributes& attributes) const;
  // Renames what is complete over the target, with a backup of that where one is wanted.
  void put_in_place(const std::shared_ptr<Directory>& where, int directory, const std::string& temporary,
                    const std::string& name) const;
  // What is about to be replaced gets its backup, where one is wanted.
  void make_way(const std::shared_ptr<Directory>& where, int directory, const std::string& name) const;
  // The sender has an entry of this name in this directory: no backup takes it from now on.
  void reserve(int directory, const std::string& name);
  // Moves what is to be deleted to where backups go. False with errno set when it could not.
  [[nodiscard]] bool set_aside(const std::shared_ptr<Directory>& where, int directory,
                               const std::string& name) const;
  // Whether it is --backup-dir itself.
  [[nodiscard]] bool keeps_backups(int directory, const std::string& name) const;
  // A name that nothing has.
  [[nodiscard]] std::string temporary_name(const std::string& name) const;
  // The destination, where a relative --backup-dir begins; the first one counts, before anything is backed
  // up. Throws Error{kUsage} when files there would be their own backups.
  void set_base(std::shared_ptr<Directory> base);
  // Whether what is kept stays in its directory: no --backup-dir, or one that is the destination itself.
  [[nodiscard]] bool backs_up_beside() const noexcept { return backs_up_beside_; }

 private:
  // What can be had from open() itself, so that no other call is needed for it.
  struct Birth {
    mode_t mode = 0600;
    bool mode_is_final = false, owner_is_final = false;
  };
  [[nodiscard]] Birth birth_of(const WantedFile& wanted, int directory) const;
  [[nodiscard]] bool inherits_acl(TargetDirectory& where, int directory) const;
  [[nodiscard]] Descriptor create(int directory, const WantedFile& wanted, mode_t mode,
                                  std::string& temporary) const;
  class Lacks;
  // An open file, or an entry of an open directory.
  struct Reached {
    int fd = -1;
    std::string name{};
    [[nodiscard]] bool is_open() const { return name.empty(); }
  };
  [[nodiscard]] std::optional<EntryError> set_new_attributes(int fd, const WantedFile& wanted,
                                                             const Birth& birth) const;
  [[nodiscard]] Descriptor backup_root(mode_t mode) const;
  [[nodiscard]] Descriptor backup_directory(const std::shared_ptr<Directory>& where) const;
  [[nodiscard]] std::string backup_name(const std::string& name) const;
  [[nodiscard]] std::string free_backup_name(int into, const std::string& name) const;
  void back_up(const std::shared_ptr<Directory>& where, int directory, const std::string& name,
               bool moves) const;
  [[nodiscard]] bool link_over(int directory, const std::string& name, int into,
                               const std::string& backup) const;
  void copy_over(int directory, const std::string& name, const struct stat& now, int into,
                 const std::string& backup) const;
  template <typename Fill>
  [[nodiscard]] std::optional<EntryError> write_new(const WantedFile& wanted, Fill fill) const;
  void write_content(int fd, std::span<const std::byte> content, bool sparse) const;
  void verify_content(int fd, std::span<const std::byte> content) const;
  [[nodiscard]] std::optional<EntryError> complete(int directory, const std::string& name,
                                                   const Attributes& attributes) const;
  [[nodiscard]] std::optional<EntryError> complete_in_place(const std::shared_ptr<Directory>& where,
                                                            int directory, const std::string& temporary,
                                                            const std::string& name,
                                                            const Attributes& attributes) const;
  void set_owner(const Reached& reached, const Attributes& attributes, const struct stat& now,
                 Lacks& lacks) const;
  void set_xattrs(const Reached& reached, const Attributes& attributes, Lacks& lacks) const;
  static void change_mode(const Reached& reached, mode_t mode);
  void set_time(const Reached& reached, const Attributes& attributes, Lacks& lacks) const;
  [[nodiscard]] bool sets_owner() const { return (options_.owner && root_) || options_.group; }
  void change_owner(const Reached& reached, const Attributes& attributes, const struct stat& now) const;

  const CopyOptions& options_;
  DirectoryCache& cache_;
  bool root_;
  mode_t umask_;
  std::vector<gid_t> groups_;  // that may be given; not asked for where it is root
  std::uint64_t seed_;
  mutable std::atomic<std::uint64_t> next_name_{0};
  std::shared_ptr<Directory> base_;
  bool backs_up_beside_ = true;
  mutable std::mutex backing_up_;
  mutable NameSet reserved_;  // guarded by it
  mutable FileSystems file_systems_;
};

}  // namespace rdpipe
