#include "launch/spawn.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <string_view>

#include "ground/error.h"

namespace rdpipe {
namespace {

constexpr std::string_view kKeyVariable = "RDPIPE_KEY=";

std::vector<char*> pointers(const std::vector<std::string>& words) {
  std::vector<char*> pointers;
  pointers.reserve(words.size() + 1);
  for (const std::string& word : words) pointers.push_back(const_cast<char*>(word.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

std::vector<char*> environment_without_key() {
  std::vector<char*> kept;
  for (char** entry = ::environ; entry != nullptr && *entry != nullptr; ++entry) {
    if (!std::string_view(*entry).starts_with(kKeyVariable)) kept.push_back(*entry);
  }
  kept.push_back(nullptr);
  return kept;
}

void check_plan(int error) { check_value(error, Status::kMemory, "prepare a command"); }

}  // namespace

Pipe make_pipe() {
  std::array<int, 2> ends{};
  check(::pipe2(ends.data(), O_CLOEXEC), Status::kMemory, "make a pipe");
  return {Descriptor(ends[0]), Descriptor(ends[1])};
}

SpawnPlan::SpawnPlan() {
  ::posix_spawn_file_actions_init(&actions_);
  ::posix_spawnattr_init(&attributes_);
  sigset_t ours, none;
  ::sigemptyset(&none);
  ::sigemptyset(&ours);
  for (const int number : {SIGPIPE, SIGXFSZ}) ::sigaddset(&ours, number);
  ::posix_spawnattr_setsigdefault(&attributes_, &ours);
  ::posix_spawnattr_setsigmask(&attributes_, &none);
}

SpawnPlan::~SpawnPlan() {
  ::posix_spawn_file_actions_destroy(&actions_);
  ::posix_spawnattr_destroy(&attributes_);
}

void SpawnPlan::put(const Descriptor& from, int to) {
  check_plan(::posix_spawn_file_actions_adddup2(&actions_, from.get(), to));
}

void SpawnPlan::put_nothing(int to) {
  check_plan(::posix_spawn_file_actions_addopen(&actions_, to, "/dev/null", O_RDWR, 0));
}

void SpawnPlan::close_from(int lowest) {
  check_plan(::posix_spawn_file_actions_addclosefrom_np(&actions_, lowest));
}

void SpawnPlan::join_group(pid_t group) {
  flags_ |= POSIX_SPAWN_SETPGROUP;
  check_plan(::posix_spawnattr_setpgroup(&attributes_, group));
}

void SpawnPlan::block_signals() {
  sigset_t all;
  ::sigfillset(&all);
  ::posix_spawnattr_setsigmask(&attributes_, &all);
}

pid_t SpawnPlan::start(const std::vector<std::string>& words) {
  const auto arguments = pointers(words);
  const auto environment = environment_without_key();
  check_plan(::posix_spawnattr_setflags(&attributes_, flags_));
  pid_t pid = -1;
  check_value(
      ::posix_spawnp(&pid, arguments[0], &actions_, &attributes_, arguments.data(), environment.data()),
      Status::kCommand, fmt::format("start '{}'", printable(words.front())));
  return pid;
}

}  // namespace rdpipe
