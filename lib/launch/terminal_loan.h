// The controlling terminal, lent to a command's process group when that asks for it: a program that is in the
// background for the terminal and asks for a password there is stopped by the kernel, and goes on as soon as
// it has it. Until then Ctrl-C and Ctrl-Z are this process's. One thread.
#pragma once

#include "ground/descriptor.h"
#include "launch/group_guard.h"

namespace rdpipe {

class TerminalLoan {
 public:
  explicit TerminalLoan(GroupGuard& group);
  TerminalLoan(const TerminalLoan&) = delete;
  TerminalLoan& operator=(const TerminalLoan&) = delete;
  ~TerminalLoan();  // takes it back

  [[nodiscard]] bool has_terminal() const noexcept { return static_cast<bool>(terminal_); }
  // The command was stopped by `signal`. Lends the terminal where that is what it wants; on Ctrl-Z stops this
  // process as well, until it is continued. Throws Error{kCommand} when the terminal is somebody else's.
  void answer(int signal);

 private:
  [[nodiscard]] bool is_held_by(pid_t group) const noexcept;
  void give_to(pid_t group) const noexcept;

  GroupGuard& group_;
  Descriptor terminal_;
};

}  // namespace rdpipe
