// Starting a program: pipes to it, and what happens between fork and exec. Never a fork of ours: memory may
// be pinned. Any thread.
#pragma once

#include <spawn.h>
#include <sys/types.h>

#include <string>
#include <vector>

#include "ground/descriptor.h"

namespace rdpipe {

struct Pipe {
  Descriptor read, write;  // close-on-exec
};
[[nodiscard]] Pipe make_pipe();

// The program has the dispositions of signals that a user's shell would give it, and none of our descriptors
// but those put in place; and the environment, but for the key.
class SpawnPlan {
 public:
  SpawnPlan();
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;
  ~SpawnPlan();

  void put(const Descriptor& from, int to);
  void put_nothing(int to);  // /dev/null
  void close_from(int lowest);
  void lead_group() { join_group(0); }  // of its own
  void join_group(pid_t group);
  void block_signals();  // all that can be
  // Finds words[0] as a shell does. Throws Error{kCommand} where it cannot be started.
  [[nodiscard]] pid_t start(const std::vector<std::string>& words);

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
  short flags_ = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK;
};

}  // namespace rdpipe
