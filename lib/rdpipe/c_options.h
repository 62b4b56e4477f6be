// What rdpipe_options of the C ABI is.
#pragma once

#include <rdpipe/rdpipe.h>

#include <cstddef>
#include <string>

#include "rdpipe/duplex_stream.h"

struct rdpipe_options {
  rdpipe::DuplexOptions stream{};  // `fabric`, `device` and the like, and `busy_poll`, are datagrams' too
  // Of datagrams alone.
  std::size_t max_payload = 0;  // bytes; 0: what a packet holds
  std::size_t receive_buffers = 512;
  std::string name{};  // of this host, in a registry; empty: its own
};

namespace rdpipe {

// Of one that may be null.
[[nodiscard]] inline DuplexOptions options_of(const rdpipe_options* options) {
  return options == nullptr ? DuplexOptions{} : options->stream;
}

}  // namespace rdpipe
