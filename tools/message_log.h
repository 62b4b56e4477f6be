// A file that messages are appended to, one line each with its time, in one write: so that several programs
// may share it. One thread.
#pragma once

#include <optional>
#include <string>

#include "open_descriptor.h"

namespace rdpipe::tools {

class MessageLog {
 public:
  // An empty path: none. Throws Error{kEndpoint}, and Error{kUsage} where it is the file `data` that data
  // come from or go to: then none is made.
  MessageLog(const std::string& path, const std::optional<std::string>& data);
  // Throws Error{kUsage} where it is the file `fd` that data come from or go to.
  void require_apart(int fd) const;
  // False, once, when it could not be written.
  [[nodiscard]] bool write(std::string line);

 private:
  std::string path_;
  OpenDescriptor file_;
  bool has_failed_ = false;
};

}  // namespace rdpipe::tools
