#include "launch/process.h"

#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>

#include "ground/await_ready.h"

namespace rdpipe {
namespace {

constexpr int kUnknown = 255;  // as ssh's, when it has none to pass on

}  // namespace

Process::Process(pid_t pid) : pid_(pid), descriptor_(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))) {}

std::optional<Ended> Process::ended() {
  if (ended_) return ended_;
  int status = 0;
  const pid_t result = ::waitpid(pid_, &status, WNOHANG);
  if (result == pid_ && WIFEXITED(status)) ended_ = Ended{.status = WEXITSTATUS(status)};
  if (result == pid_ && WIFSIGNALED(status)) ended_ = Ended{.signal = WTERMSIG(status)};
  if (result == -1 && errno == ECHILD) ended_ = Ended{.status = kUnknown};  // somebody else took it
  return ended_;
}

std::optional<Ended> Process::await_end(Nanoseconds limit) {
  constexpr Nanoseconds kLook = std::chrono::milliseconds(20);  // where there is no descriptor
  const Deadline deadline = Deadline::in(limit);
  while (!ended() && !deadline.passed()) {
    await_ready(descriptor_.get(), POLLIN, descriptor_ ? deadline : deadline.earlier(Deadline::in(kLook)));
  }
  return ended_;
}

int Process::stopped_by() {
  siginfo_t info{};
  if (ended_ || ::waitid(P_PID, static_cast<id_t>(pid_), &info, WSTOPPED | WNOHANG) == -1) return 0;
  return info.si_pid == pid_ && info.si_code == CLD_STOPPED ? info.si_status : 0;
}

void Process::signal(int number) noexcept {
  if (!ended()) ::kill(pid_, number);
}

}  // namespace rdpipe
