// SIGINT, SIGTERM and SIGHUP as something to read: blocked in the calling thread, and in threads it starts,
// while this lives. For programs; a library leaves signals alone.
#pragma once

#include <csignal>
#include <string>

#include "ground/descriptor.h"

namespace rdpipe {

class SignalDescriptor {
 public:
  SignalDescriptor();
  SignalDescriptor(const SignalDescriptor&) = delete;
  SignalDescriptor& operator=(const SignalDescriptor&) = delete;
  ~SignalDescriptor();  // the mask is as it was

  [[nodiscard]] int fd() const noexcept { return fd_.get(); }  // readable while a signal waits
  // Takes the next signal: "SIGTERM"; empty when none waits.
  [[nodiscard]] std::string take();

 private:
  sigset_t previous_{};
  Descriptor fd_;
};

}  // namespace rdpipe
