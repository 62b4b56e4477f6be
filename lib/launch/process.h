// A process that this one has started, until it was waited for. Its end does not end it: who started it
// decides. One thread.
#pragma once

#include <sys/types.h>

#include <optional>

#include "ground/deadline.h"
#include "ground/descriptor.h"

namespace rdpipe {

// How a process ended.
struct Ended {
  int status = 0;  // what it exited with
  int signal = 0;  // or what ended it
  [[nodiscard]] bool well() const noexcept { return status == 0 && signal == 0; }
};

class Process {
 public:
  explicit Process(pid_t pid);

  [[nodiscard]] std::optional<Ended> ended();
  // The same, waiting at most `limit`, deaf to everything else: for destructors.
  std::optional<Ended> await_end(Nanoseconds limit);
  // The signal that has stopped it since this was asked last; 0: none.
  [[nodiscard]] int stopped_by();
  void signal(int number) noexcept;  // unless it has ended

  [[nodiscard]] pid_t pid() const noexcept { return pid_; }
  // Readable once it has ended; -1 where the kernel has no such descriptors.
  [[nodiscard]] int ended_fd() const noexcept { return descriptor_.get(); }

 private:
  pid_t pid_;
  Descriptor descriptor_;
  std::optional<Ended> ended_;
};

}  // namespace rdpipe
