// What a user says about a connection, checked, and in the terms of the floors beneath.
#pragma once

#include <rdpipe/options.h>

#include "ring/ring.h"
#include "transport/fabric.h"
#include "transport/link.h"

namespace rdpipe {

// What is wrong with them is told before anything is tried: throws Error{kUsage}.
void require_valid(const Options& options);
[[nodiscard]] RingShape ring_shape(const Options& options, Fabric fabric);  // throws as well
[[nodiscard]] FabricOptions fabric_options(const Options& options);

}  // namespace rdpipe
