// The file systems that a copy writes into, each put on the medium once, at the end: far cheaper than each
// file by itself. Thread-safe.
#pragma once

#include <sys/types.h>

#include <map>
#include <mutex>

#include "ground/descriptor.h"

namespace rdpipe {

class FileSystems {
 public:
  // Of an open file, or of a directory, which may be O_PATH.
  void see(int fd);
  // All of them. Returns 0 or an errno value; blocks.
  [[nodiscard]] int sync();

 private:
  std::mutex mutex_;
  // Open from the first on, so that none of the kernel's failures is missed. Empty: nothing that was seen of
  // it may be read.
  std::map<dev_t, Descriptor> seen_;
};

}  // namespace rdpipe
