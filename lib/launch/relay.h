// Bytes between two rdcps on other hosts that cannot reach each other: through this host.
#pragma once

#include "ground/descriptor.h"
#include "io/loop.h"

namespace rdpipe {

struct RelayEnd {
  Descriptor from, to;  // neither blocks
};
// Copies both ways until both ends have ended. An end that goes away ends the other's input.
void relay(Loop& loop, RelayEnd a, RelayEnd b);

}  // namespace rdpipe
