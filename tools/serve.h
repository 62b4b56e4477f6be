// rdcp --serve DIRECTORY: a server of trees, from its command line to its exit status.
#pragma once

#include "settings.h"

namespace rdpipe::tools {

// Serves until a signal stops it (serve_signals.h), and says what happens (serve_log.h): all of it, or with
// --quiet failed transfers alone. Where no --timeout is given, or 0, a client without progress for 300 s is
// let go. The exit status: 0, or that of Status::kSignal when transfers were cut. SIGPIPE must be ignored,
// and no thread started. Throws Error for what keeps it from serving: {kUsage} for settings that make no
// sense.
[[nodiscard]] int serve(const CommandLine& line);

}  // namespace rdpipe::tools
