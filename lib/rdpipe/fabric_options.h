// What a user says about the fabric, in the transport's terms.
#pragma once

#include <rdpipe/options.h>

#include "transport/fabric.h"

namespace rdpipe {

[[nodiscard]] FabricOptions fabric_options(const Options& options);

}  // namespace rdpipe
