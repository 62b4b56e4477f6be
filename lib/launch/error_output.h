// Where a command's standard error goes.
#pragma once

#include <functional>

namespace rdpipe {

struct ErrorOutput {
  int fd = -1;                     // stays its owner's, and open
  std::function<void()> before{};  // is called before anything is written to it; may be empty
};

}  // namespace rdpipe
