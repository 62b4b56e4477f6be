// rdcp as the client of a server: a copy to one or from one.
#pragma once

#include "copy_route.h"
#include "settings.h"

namespace rdpipe::tools {

// Along a route of which one end is a server. Reads the key, perhaps from the terminal; a signal ends the
// waiting for it. Throws Error.
[[nodiscard]] CopyReport copy_with_server(const CopyRoute& route, const CommandLine& line);

// Throws Error{kUsage} where an option was given that is for copies to and from a server alone.
void require_no_server_option(const CommandLine& line);
// The same where one was given that is for the remote shell and what it starts.
void require_no_shell_option(const CommandLine& line);

}  // namespace rdpipe::tools
