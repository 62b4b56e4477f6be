// How a server is doing: as a file for those who watch it, and as a line. One thread.
#pragma once

#include <functional>
#include <string>
#include <utility>

#include <rdpipe/serve.h>

namespace rdpipe::tools {

// A file with one JSON object: time, state ("running", "stopping", "stopped"), clients, waiting, transfers,
// failures, bytes, rate_10s, rate_1min, rate_5min (bytes a second). It is replaced as a whole: whoever reads
// it sees the old or the new one. It stays when the server ends, with the last that was known.
class StatusFile {
 public:
  // `failed` hears that the file could not be written, once until it can be again.
  StatusFile(std::string path, std::function<void(const std::string& line)> failed)
      : path_(std::move(path)), failed_(std::move(failed)) {}

  void write(const ServerStatus& status);

 private:
  std::string path_;
  std::function<void(const std::string& line)> failed_;
  bool has_failed_ = false;
};

// "3 clients, 1 waiting, 12 transfers (1 failed), 9.1 GB/s over 10 s, 8.7 GB/s over 1 min, 4.2 GB/s over 5
// min"
[[nodiscard]] std::string status_text(const ServerStatus& status);

}  // namespace rdpipe::tools
