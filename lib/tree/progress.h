// How far a copy has come, for a user who watches: told at most five times a second. One thread.
#pragma once

#include "ground/deadline.h"
#include "tree/copy.h"

namespace rdpipe {

class ProgressMeter {
 public:
  explicit ProgressMeter(const CopyOptions& options) : tell_(options.progress), began_(Clock::now()) {}
  [[nodiscard]] CopyProgress& now() { return progress_; }
  // Tells, when it is time to.
  void tick() {
    if (!tell_ || !next_.passed()) return;
    next_ = Deadline::in(std::chrono::milliseconds(200));
    tell();
  }
  void tell() {
    if (!tell_) return;
    progress_.elapsed = Clock::now() - began_;
    tell_(progress_);
  }

 private:
  std::function<void(const CopyProgress&)> tell_;
  Clock::time_point began_;
  Deadline next_ = Deadline::now();
  CopyProgress progress_;
};

}  // namespace rdpipe
