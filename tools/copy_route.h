// Who copies what to where.
#pragma once

#include <string>
#include <vector>

#include "copy_settings.h"

namespace rdpipe::tools {

struct CopyRoute {
  HostPath from{};                     // only the host counts
  std::vector<std::string> sources{};  // paths there
  HostPath to{};

  [[nodiscard]] bool has_server() const { return from.server || to.server; }
};

// Throws Error{kUsage} for too few operands, for sources on several hosts, and for what a server is no end
// of.
[[nodiscard]] CopyRoute route_of(const CopySettings& settings);

// The top-level names that a receiver may be sent when it has asked for the sources, of another host.
[[nodiscard]] std::vector<std::string> requested_names(const CopyRoute& route);

}  // namespace rdpipe::tools
