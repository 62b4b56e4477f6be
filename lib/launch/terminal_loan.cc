#include "launch/terminal_loan.h"

#include <fcntl.h>
#include <unistd.h>

#include <csignal>

#include "ground/error.h"

namespace rdpipe {

TerminalLoan::TerminalLoan(GroupGuard& group)
    : group_(group), terminal_(::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY)) {}

TerminalLoan::~TerminalLoan() {
  if (terminal_ && is_held_by(group_.group())) give_to(::getpgrp());
}

void TerminalLoan::answer(int signal) {
  if (!terminal_) return;
  if (signal == SIGTTIN || signal == SIGTTOU) {
    if (is_held_by(::getpgrp())) give_to(group_.group());
    if (!is_held_by(group_.group())) {
      throw Error(Status::kCommand, "", "it asks for the terminal, which is not this tool's",
                  "start it in the foreground");
    }
    group_.signal(SIGCONT);
  } else if (signal == SIGTSTP && is_held_by(group_.group())) {
    give_to(::getpgrp());
    ::kill(0, SIGTSTP);
    group_.signal(SIGCONT);
  }
}

bool TerminalLoan::is_held_by(pid_t group) const noexcept { return ::tcgetpgrp(terminal_.get()) == group; }

// Who is in the background would be stopped for this.
void TerminalLoan::give_to(pid_t group) const noexcept {
  sigset_t ttou, before;
  ::sigemptyset(&ttou);
  ::sigaddset(&ttou, SIGTTOU);
  ::pthread_sigmask(SIG_BLOCK, &ttou, &before);
  ::tcsetpgrp(terminal_.get(), group);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

}  // namespace rdpipe
