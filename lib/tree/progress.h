// How far a copy has come, for a user who watches; told with what carries it. One thread.
#pragma once

#include <string>
#include <utility>

#include "ground/deadline.h"
#include "tree/copy.h"

namespace rdpipe {

class ProgressMeter {
 public:
  explicit ProgressMeter(const CopyOptions& options) : tell_(options.progress), began_(Clock::now()) {}
  [[nodiscard]] CopyProgress& now() { return progress_; }
  void set_stream(const StreamProgress& stream) { progress_.stream = stream; }
  // The large file that is under way, and how much of it is through; an empty name: none.
  void set_file(std::string name, std::uint64_t bytes, std::uint64_t size) {
    progress_.file = std::move(name);
    progress_.file_bytes = bytes;
    progress_.file_size = size;
  }
  void tell() {
    if (!tell_) return;
    progress_.elapsed = Clock::now() - began_;
    tell_(progress_);
  }

 private:
  std::function<void(const CopyProgress&)> tell_;
  Clock::time_point began_;
  CopyProgress progress_;
};

}  // namespace rdpipe
