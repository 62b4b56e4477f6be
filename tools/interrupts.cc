#include "interrupts.h"

#include <fmt/format.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include <rdpipe/error.h>

namespace rdpipe::tools {

Interrupts::Interrupts() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction action {};
    ::sigaction(number, nullptr, &action);
    if (action.sa_handler != SIG_IGN) ::sigaddset(&set, number);  // nohup stays in force
  }
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  fd_ = ::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
  if (fd_ == -1) throw Error(Status::kMemory, "wait for signals", ::strerror(errno));
}

Interrupts::~Interrupts() {
  // The signals stay blocked: one that still waits must not end the process before it has said why it ends.
  if (fd_ != -1) ::close(fd_);
}

void Interrupts::throw_if_any() {
  signalfd_siginfo info{};
  if (::read(fd_, &info, sizeof info) != sizeof info) return;
  throw Error(Status::kSignal, "",
              fmt::format("interrupted by SIG{}", ::sigabbrev_np(static_cast<int>(info.ssi_signo))));
}

}  // namespace rdpipe::tools
