// Files as Source and as Sink: deep queues on the ring's slots, O_DIRECT when it pays, holes kept, and a
// target that is either the old one or the whole new one.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "ground/descriptor.h"
#include "stream/sink.h"
#include "stream/source.h"

namespace rdpipe {

enum class DirectIo : std::uint8_t { kAuto, kOn, kOff };

struct FileOptions {
  DirectIo direct = DirectIo::kAuto;
  bool fsync = false;    // sinks: on the medium before committed()
  bool inplace = false;  // sinks: write into the target itself
  bool fresh = false;    // sinks: whatever has the target's name stays, and is an error
};

// Opens `path` (any kind but a directory; what is no regular file or block device is read as a stream).
// Throws Error{kEndpoint}.
[[nodiscard]] std::unique_ptr<Source> open_file_source(const std::string& path, const FileOptions& options);
// Reads a descriptor of the caller's. A regular file or block device from its current position, which is left
// behind the last byte sent; anything else as a stream. Throws Error{kEndpoint} for what cannot be read.
[[nodiscard]] std::unique_ptr<Source> open_descriptor_source(int fd, const std::string& name,
                                                             const FileOptions& options);

// Checks what can be checked without creating anything (Error{kEndpoint}: a directory, no such directory, no
// permission). Regular and new files: temporary name in the same directory, renamed at the end. Devices,
// FIFOs and with `inplace`: written in place.
[[nodiscard]] std::unique_ptr<Sink> open_file_sink(const std::string& path, const FileOptions& options);
// Writes a descriptor of the caller's. A regular file or block device at its current position (O_APPEND: in
// order), which is left behind the last byte; anything else as a stream. Throws Error{kEndpoint} for what
// cannot be written.
[[nodiscard]] std::unique_ptr<Sink> open_descriptor_sink(int fd, const std::string& name,
                                                         const FileOptions& options);

}  // namespace rdpipe
