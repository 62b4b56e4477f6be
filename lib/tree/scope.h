// Where the paths of a copy are looked up: anywhere, as a user's own are, or beneath one directory and
// through no symlink, as those that somebody else names. A value; any thread.
#pragma once

#include <sys/stat.h>

#include <string>

#include "ground/descriptor.h"
#include "tree/copy.h"

namespace rdpipe {

class Scope {
 public:
  Scope() = default;  // anywhere
  // Beneath the directory `beneath`, which stays open: a '/' in front stands for it, ".." is EXDEV, a symlink
  // ELOOP.
  explicit Scope(int beneath) : beneath_(beneath), is_confined_(true) {}

  [[nodiscard]] bool is_confined() const noexcept { return is_confined_; }
  // What an errno value of these says to a user.
  [[nodiscard]] std::string text_of(int error) const;
  // With O_PATH besides `flags`. Empty with errno set when it cannot be opened.
  [[nodiscard]] Descriptor open(const std::string& path, int flags) const;
  // Of what a symlink leads to; confined: of the symlink itself. False with errno set.
  [[nodiscard]] bool status(const std::string& path, struct stat& status) const;
  // As open_path() in directory.h, where what is confined trusts nothing; absolute: beneath the scope.
  [[nodiscard]] Descriptor directory(int from, const std::string& path, std::size_t trusted,
                                     mode_t mode) const;
  // As mkdir, and mkdir -p: whatever the umask, we get into what we make. False with errno set.
  [[nodiscard]] bool make(const std::string& path) const;
  [[nodiscard]] bool make_all(const std::string& path) const;

 private:
  int beneath_ = -1;
  bool is_confined_ = false;
};

[[nodiscard]] inline Scope scope_of(const CopyOptions& options) {
  return options.beneath < 0 ? Scope() : Scope(options.beneath);
}

}  // namespace rdpipe
