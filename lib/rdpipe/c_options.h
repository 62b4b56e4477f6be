// What rdpipe_options of the C ABI is.
#pragma once

#include <rdpipe/rdpipe.h>

#include "rdpipe/duplex_stream.h"

struct rdpipe_options {
  rdpipe::DuplexOptions stream;
};

namespace rdpipe {

// Of one that may be null.
[[nodiscard]] inline DuplexOptions options_of(const rdpipe_options* options) {
  return options == nullptr ? DuplexOptions{} : options->stream;
}

}  // namespace rdpipe
