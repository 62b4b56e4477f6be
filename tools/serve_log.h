// What a server says: each thing one line on standard error, in one write; as text for people, or one JSON
// object (ASCII, whatever bytes the names have). Any thread, but one at a time.
#pragma once

#include <string>

#include <rdpipe/serve.h>

#include "serve_settings.h"

namespace rdpipe::tools {

class ServeLog {
 public:
  explicit ServeLog(LogFormat format) : format_(format) {}

  // "rdcp: 10.0.0.2:51342 (det1) wrote 'runs/a': 20 files, 20000000000 bytes in 4.203 s, 4.759 GB/s, RDMA
  // (mlx5_0): ok"; or "... read 'a' (and 2 more): ...", "...: failed (12): CAUSE". JSON: time, event
  // "transfer", client, key, operation ("write" or "read", the client's), path, paths (how many), files,
  // bytes, seconds, gb_per_s, fabric, device, status, result ("ok" or the cause).
  void transfer(const ServedTransfer& transfer) const;
  // JSON: time, event "notice", text.
  void notice(const std::string& text) const;

 private:
  LogFormat format_;
};

}  // namespace rdpipe::tools
