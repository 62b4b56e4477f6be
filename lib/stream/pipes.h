// Pipes, sockets, terminals and character devices as Source and Sink: one copy at each end, no blocking, and
// O_NONBLOCK never set on a descriptor that we did not open.
#pragma once

#include <memory>
#include <string>

#include "stream/sink.h"
#include "stream/source.h"

namespace rdpipe {

// `fd` stays the caller's and must stay open while the source lives.
[[nodiscard]] std::unique_ptr<Source> make_pipe_source(int fd, std::string name);
// committed(): the reader has taken every byte (pipes, local sockets), its host's kernel has (TCP), or ours
// (anything else).
[[nodiscard]] std::unique_ptr<Sink> make_pipe_sink(int fd, std::string name);

}  // namespace rdpipe
