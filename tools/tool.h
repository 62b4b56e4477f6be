// What rdsend and rdrecv have in common: a transfer that is set up from the command line and ends in an exit
// status.
#pragma once

#include "interrupts.h"
#include "monitor.h"
#include "settings.h"

namespace rdpipe::tools {

// Parses, answers --help and the like, and otherwise makes the transfer. Returns the exit status.
[[nodiscard]] int run_tool(Tool tool, int argc, char** argv,
                           void (*transfer)(const Settings& settings, KeyText key, Monitor& monitor));

// The same for rdcp, which copies, or serves a launcher or clients. Prints what is thrown.
[[nodiscard]] int run_copy_tool(int argc, char** argv, int (*copy)(CommandLine& line));

// The same for rdping, which moves nothing.
[[nodiscard]] int run_ping_tool(int argc, char** argv,
                                int (*ping)(CommandLine& line, Interrupts& interrupts));

}  // namespace rdpipe::tools
