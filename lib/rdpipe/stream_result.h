// What came of a stream, in the terms of those who asked for it.
#pragma once

#include <rdpipe/connection.h>

#include "stream/stream.h"

namespace rdpipe {

// All that the stream itself knows: not by which way it went, and to whom.
[[nodiscard]] Result result_of(const StreamResult& stream);

}  // namespace rdpipe
