// What rdsend and rdrecv have in common: a transfer that is set up from the command line and ends in an exit
// status.
#pragma once

#include "settings.h"

namespace rdpipe::tools {

// Parses, answers --help and the like, and otherwise makes the transfer. Returns the exit status.
[[nodiscard]] int run_tool(Tool tool, int argc, char** argv,
                           Result (*transfer)(const Settings& settings, KeyText key));

}  // namespace rdpipe::tools
