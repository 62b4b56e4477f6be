// Paths that are neither regular files nor disks: FIFOs and character devices, opened here without blocking
// the thread and then left to the pipe source and sink. One thread; the opening of a target runs on a worker.
#pragma once

#include <memory>
#include <string>

#include "ground/descriptor.h"
#include "stream/sink.h"
#include "stream/source.h"

namespace rdpipe {

// `file` is open already; `is_fifo`: a FIFO opened with O_NONBLOCK, whose writer may not have come yet.
[[nodiscard]] std::unique_ptr<Source> make_stream_source(Descriptor file, bool is_fifo, std::string name);

// Opens `path` once it is started; until somebody reads a FIFO that takes as long as it takes.
[[nodiscard]] std::unique_ptr<Sink> make_stream_sink(std::string path, std::string name);

}  // namespace rdpipe
