// rdcp --peer: the end that an rdcp on another host has started.
#pragma once

#include "settings.h"

namespace rdpipe::tools {

// Takes its orders from standard input. Returns the exit status; what fails is told to the launcher or to the
// other end of the connection, and printed only where neither hears it.
[[nodiscard]] int serve_launcher(const Settings& own);

}  // namespace rdpipe::tools
