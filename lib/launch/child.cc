#include "launch/child.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

#include "ground/error.h"
#include "io/loop.h"

namespace rdpipe {
namespace {

constexpr Nanoseconds kLook = std::chrono::milliseconds(20);  // where there are no pidfds

constexpr int kUnknown = 255;  // as ssh's, when it has none to pass on

struct Pipe {
  Descriptor read, write;
};

Pipe make_pipe() {
  std::array<int, 2> ends{};
  check(::pipe2(ends.data(), O_CLOEXEC), Status::kMemory, "make a pipe");
  return {Descriptor(ends[0]), Descriptor(ends[1])};
}

// Our end of a pipe is a description of its own: the child's end keeps blocking.
void set_non_blocking(const Descriptor& end) {
  check(::fcntl(end.get(), F_SETFL, O_NONBLOCK), Status::kMemory, "set up a pipe");
}

// What posix_spawn is to do between fork and exec.
class SpawnPlan {
 public:
  SpawnPlan() {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawnattr_init(&attributes_);
    sigset_t ours, none;
    ::sigemptyset(&none);
    ::sigemptyset(&ours);
    for (const int number : {SIGPIPE, SIGXFSZ}) ::sigaddset(&ours, number);
    ::posix_spawnattr_setsigdefault(&attributes_, &ours);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;
  ~SpawnPlan() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }
  void put(const Descriptor& from, int to) {
    check_value(::posix_spawn_file_actions_adddup2(&actions_, from.get(), to), Status::kMemory, "start");
  }
  int spawn(const std::vector<std::string>& words) {
    std::vector<char*> arguments;
    arguments.reserve(words.size() + 1);
    for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    pid_t pid = -1;
    check_value(::posix_spawnp(&pid, arguments[0], &actions_, &attributes_, arguments.data(), ::environ),
                Status::kCommand, fmt::format("start '{}'", printable(words.front())));
    return pid;
  }

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

}  // namespace

Child::Child(const std::vector<std::string>& words) {
  Pipe in = make_pipe(), out = make_pipe(), err = make_pipe();
  SpawnPlan plan;
  plan.put(in.read, STDIN_FILENO);
  plan.put(out.write, STDOUT_FILENO);
  plan.put(err.write, STDERR_FILENO);
  for (const Descriptor* end : {&in.write, &out.read, &err.read}) set_non_blocking(*end);
  pid_ = plan.spawn(words);
  input = std::move(in.write);
  output = std::move(out.read);
  errors = std::move(err.read);
  ended_ = Descriptor(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
}

Child::~Child() {
  input.reset();
  output.reset();
  errors.reset();
  if (pid_ == -1 || exited()) return;
  ::kill(pid_, SIGTERM);
  ::kill(pid_, SIGCONT);
  constexpr int kTurns = 50;  // a second, for what it has to clean up
  for (int turn = 0; turn < kTurns && !exited(); ++turn) {
    pollfd end{ended_.get(), POLLIN, 0};
    ::poll(&end, 1, 20);
  }
  if (exited()) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

std::optional<int> Child::exited() {
  if (status_) return status_;
  int status = 0;
  const pid_t result = ::waitpid(pid_, &status, WNOHANG);
  if (result == pid_) status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  if (result == -1 && errno == ECHILD) status_ = kUnknown;  // somebody else took it
  return status_;
}

std::optional<int> Child::await_exit(Loop& loop, Deadline deadline) {
  std::optional<Watch> watch;
  if (ended_) watch.emplace(loop, ended_.get());
  while (!exited() && !deadline.passed()) {
    if (watch) watch->arm(POLLIN);
    loop.wait(watch ? deadline : deadline.earlier(Deadline::in(kLook)));
  }
  return status_;
}

void Child::terminate() noexcept {
  if (!exited()) ::kill(pid_, SIGTERM);
}

}  // namespace rdpipe
