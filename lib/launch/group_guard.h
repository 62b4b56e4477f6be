// A process group for a command, led by a process that only watches: when this process ends, be it by
// SIGKILL, the guard ends the whole group, and whoever of the command has left the group and reads what is
// held. What reads our end of a pipe then never sees it closed while it can still do something with that,
// because the guard holds it open until all of them are dead. One thread.
#pragma once

#include "ground/deadline.h"
#include "ground/descriptor.h"
#include "launch/process.h"
#include "launch/spawn.h"

namespace rdpipe {

class GroupGuard {
 public:
  // `held`: the end of a pipe that is not to close by accident; null: none. Throws Error{kCommand}.
  explicit GroupGuard(const Descriptor* held);
  GroupGuard(const GroupGuard&) = delete;
  GroupGuard& operator=(const GroupGuard&) = delete;
  ~GroupGuard();  // lets the group go: what is left of it lives on

  [[nodiscard]] pid_t group() const noexcept { return process_.pid(); }
  void let_go_of_held() noexcept;    // this process may close it from now on
  void signal(int number) noexcept;  // to all of the group, but the guard
  void kill() noexcept;              // all of the group, and the guard
  // After that: false where some of the group are not dead at the deadline, since they run as another user,
  // say. What was held is held until they are.
  [[nodiscard]] bool all_gone(Deadline deadline) const noexcept;

 private:
  GroupGuard(const Descriptor* held, Pipe life, Pipe gone);
  void say(const char* word) const noexcept;

  Process process_;
  Descriptor life_;  // while it is open we live
  Descriptor gone_;
};

}  // namespace rdpipe
