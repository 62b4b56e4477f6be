// A file that messages are appended to, one line each with its time, in one write: so that several programs
// may share it. One thread.
#pragma once

#include <string>

#include "open_descriptor.h"

namespace rdpipe::tools {

class MessageLog {
 public:
  // An empty path: none. Throws Error{kEndpoint}.
  explicit MessageLog(const std::string& path);
  // Throws Error{kUsage} where it is the file `fd` or `path` that data come from or go to.
  void require_apart(int fd) const;
  void require_apart(const std::string& path) const;
  // False, once, when it could not be written.
  [[nodiscard]] bool write(std::string line);

 private:
  std::string path_;
  OpenDescriptor file_;
  bool has_failed_ = false;
};

}  // namespace rdpipe::tools
