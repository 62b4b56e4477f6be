#include "serve_signals.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include <rdpipe/error.h>

namespace rdpipe::tools {

ServeSignals::ServeSignals() {
  sigset_t signals{};
  ::sigemptyset(&signals);
  // SIGHUP also under nohup, which only wants that it ends nothing.
  for (const int number : {SIGHUP, SIGUSR1}) ::sigaddset(&signals, number);
  for (const int number : {SIGINT, SIGTERM}) {
    struct sigaction action {};
    ::sigaction(number, nullptr, &action);
    if (action.sa_handler != SIG_IGN) ::sigaddset(&signals, number);  // a shell's `&` stays in force
  }
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  fd_ = ::signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
  if (fd_ == -1) throw Error(Status::kMemory, "wait for signals", ::strerror(errno));
}

ServeSignals::~ServeSignals() { ::close(fd_); }

ServeSignals::Taken ServeSignals::take() {
  Taken taken;
  for (signalfd_siginfo info{}; ::read(fd_, &info, sizeof info) == sizeof info;) {
    if (info.ssi_signo == SIGHUP) {
      taken.reload = true;
    } else if (info.ssi_signo == SIGUSR1) {
      taken.report = true;
    } else {
      taken.stop = true;
    }
  }
  return taken;
}

}  // namespace rdpipe::tools
