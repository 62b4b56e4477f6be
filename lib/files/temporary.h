// The new content of a target until it is complete: a file beside it, `.NAME.rdpipe-XXXXXXXX`, locked while
// its owner lives, so that a sweep can tell one that a killed process left behind. Destroyed before it was
// placed, it is removed and the target is as it was. place() and sweep_left_overs() may run on a worker.
#pragma once

#include <sys/types.h>

#include <string>

#include "files/target.h"
#include "ground/descriptor.h"

namespace rdpipe {

class Temporary {
 public:
  // Creates it in the target's directory. `target` must outlive it. Throws Error{kFileIo}.
  explicit Temporary(const Target& target);
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;
  ~Temporary();

  [[nodiscard]] int fd() const noexcept { return file_.get(); }
  // Renames it over the target, which then has the old one's mode and, where the process may, its owner; with
  // `durable` the directory is on the medium too. Throws Error{kFileIo}.
  void place(bool durable);

 private:
  [[nodiscard]] bool create(mode_t mode);
  void keep_owner_and_mode(const struct stat& old) const;

  const Target& target_;
  std::string leaf_;
  Descriptor file_;
  bool placed_ = false;
};

// Puts the names in `directory`, which may be O_PATH, on the medium. Throws Error{kFileIo}.
void sync_directory(int directory, const std::string& attempt);

// Removes what killed processes left in `directory` on the way to `leaf`. Failures do not matter.
void sweep_left_overs(int directory, const std::string& leaf) noexcept;

}  // namespace rdpipe
