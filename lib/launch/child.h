// A program of its own process, with a pipe at each of its standard descriptors. The pipes' ends here do not
// block. One thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ground/deadline.h"
#include "ground/descriptor.h"
#include "launch/process.h"

namespace rdpipe {

class Loop;

class Child {
 public:
  // Throws Error{kCommand} where the program cannot be started.
  explicit Child(const std::vector<std::string>& words);
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child();  // closes the pipes and ends it, at once, if it still runs

  Descriptor input, output, errors;  // our ends; the owner may close them

  // Its exit status once it has ended; of one ended by a signal, 128 and the signal's number.
  [[nodiscard]] std::optional<int> exited();
  // The same, waiting for it until `deadline`.
  [[nodiscard]] std::optional<int> await_exit(Loop& loop, Deadline deadline);
  // Readable once it has ended; -1 where the kernel has no such descriptors.
  [[nodiscard]] int ended_fd() const noexcept { return process_->ended_fd(); }
  void terminate() noexcept;  // asks it to end

 private:
  std::optional<Process> process_;  // none only while it is being started
};

}  // namespace rdpipe
