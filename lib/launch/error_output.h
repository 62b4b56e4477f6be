// Where a command's standard error goes.
#pragma once

#include <functional>
#include <memory>
#include <string>

namespace rdpipe {

struct ErrorOutput {
  int fd = -1;                     // stays its owner's, and open
  std::function<void()> before{};  // is called before anything is written to it; may be empty
  std::function<void(const std::string& text)> warn{};  // hears what is wrong with a command; may be empty
  // Whether what was written to it last has no end of line yet: for all who write there.
  std::shared_ptr<bool> in_line = std::make_shared<bool>(false);
};

}  // namespace rdpipe
