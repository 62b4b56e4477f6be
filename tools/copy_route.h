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
};

// Throws Error{kUsage} for too few operands and for sources on several hosts.
[[nodiscard]] CopyRoute route_of(const CopySettings& settings);

// The top-level names that a receiver may be sent when it has asked for `sources` of another host.
[[nodiscard]] std::vector<std::string> requested_names(const std::vector<std::string>& sources);

}  // namespace rdpipe::tools
