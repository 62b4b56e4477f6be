// The new content of a target until it is complete: a file beside it, `.NAME.rdpipe-XXXXXXXX`, locked while
// its owner lives, so that a sweep can tell one that a killed process left behind. Destroyed before it was
// placed, it is removed and the target is as it was. Blocks; one thread at a time.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "files/target.h"
#include "ground/descriptor.h"

namespace rdpipe {

// A place where what was written stays until a later run goes on with it.
struct KeptPlace {
  Descriptor directory;  // O_PATH
  std::string leaf;
  std::shared_ptr<const Descriptor> file{};  // what was found there, open and locked; null: opened now
};

// Whether such a file is this user's alone: whoever else owns it, or has another name of it, would have the
// file that it becomes.
[[nodiscard]] bool may_keep_in(const struct stat& file);

class Temporary {
 public:
  // Creates it in the target's directory. Throws Error{kFileIo}.
  explicit Temporary(std::shared_ptr<const Target> target);
  // The same in a place of the caller's, which may hold something already; it stays unless it is placed.
  // Throws Error{kFileIo} also when another process is writing it, or when it is not the file that was found.
  Temporary(std::shared_ptr<const Target> target, KeptPlace place);
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;
  ~Temporary();

  [[nodiscard]] int fd() const noexcept { return file_.get(); }
  // Its end removes it.
  [[nodiscard]] bool is_discarded() const noexcept { return !placed_ && !kept_; }
  // Renames it over the target, which then has the old one's mode and, where the process may, its owner; with
  // `durable` the directory is on the medium too. Throws Error{kFileIo}.
  void place(bool durable);
  // The same with the attributes that it has.
  void place_as_it_is(bool durable);

 private:
  [[nodiscard]] int directory() const { return kept_ ? kept_.get() : target_->directory.get(); }
  [[nodiscard]] bool create(mode_t mode);
  void move_into_place(const std::string& attempt) const;
  void keep_owner_and_mode(const struct stat& old) const;
  [[nodiscard]] bool keep_acl(const struct stat& old) const;

  std::shared_ptr<const Target> target_;
  Descriptor kept_;  // of a place of the caller's
  std::string leaf_;
  Descriptor file_;
  bool placed_ = false;
};

// The name of a temporary for `leaf`, made from `number`: one that a sweep recognises. Whether anything has
// it is for the caller to find out.
[[nodiscard]] std::string temporary_name_for(const std::string& leaf, std::uint64_t number);
// Whether `name` is that of a temporary, of whatever leaf.
[[nodiscard]] bool is_temporary_name(std::string_view name);
// The leaf it is on the way to, cut where that is too long; empty where it is none.
[[nodiscard]] std::string_view leaf_of_temporary(std::string_view name);

// `directory`, which may be O_PATH, for sync_names(); empty where it may not be read. Throws Error{kFileIo}.
[[nodiscard]] Descriptor open_to_sync(int directory, const std::string& attempt);
// Puts the names in `directory` on the medium; where that is empty, all of the file system that the open
// `file` is on. Throws Error{kFileIo}.
void sync_names(const Descriptor& directory, int file, const std::string& attempt);

// Removes the temporary `name` if it is a file whose owner has gone. Failures do not matter.
void remove_if_left_over(int directory, const char* name);

// Removes what killed processes left in `directory` on the way to `leaf`. Failures do not matter.
void sweep_left_overs(int directory, const std::string& leaf) noexcept;

}  // namespace rdpipe
