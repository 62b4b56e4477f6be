// SIGINT, SIGTERM and SIGHUP as something to wait for: blocked in this process from then on. After the first
// the process has ten seconds to end by itself, after another three: then it ends at once, with a line.
#pragma once

#include <csignal>

namespace rdpipe::tools {

class Interrupts {
 public:
  Interrupts();
  Interrupts(const Interrupts&) = delete;
  Interrupts& operator=(const Interrupts&) = delete;
  ~Interrupts();

  [[nodiscard]] int fd() const noexcept { return fd_; }  // readable while a signal waits
  // Takes a waiting signal and throws Error{kSignal}.
  void throw_if_any();
  // Whether one was taken, whatever became of what was thrown.
  [[nodiscard]] static bool came() noexcept;
  // The same, or that one waits to be taken.
  [[nodiscard]] static bool pressing() noexcept;
  // What had begun ended well all the same: nothing hurries any more.
  static void outlived();

 private:
  sigset_t signals_{};
  int fd_ = -1;
};

}  // namespace rdpipe::tools
