// What a user says about a connection, checked, and about the fabric in the transport's terms.
#pragma once

#include <rdpipe/options.h>

#include "transport/fabric.h"

namespace rdpipe {

// What is wrong with them is told before anything is tried: throws Error{kUsage}.
void require_valid(const Options& options);
[[nodiscard]] FabricOptions fabric_options(const Options& options);

}  // namespace rdpipe
