#include "ground/signals.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include <cstring>

#include "ground/error.h"

namespace rdpipe {

SignalDescriptor::SignalDescriptor() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction action {};
    ::sigaction(number, nullptr, &action);
    if (action.sa_handler != SIG_IGN) ::sigaddset(&set, number);  // nohup stays in force
  }
  fd_ = Descriptor(check(::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC), Status::kMemory, "signalfd"));
  check_value(::pthread_sigmask(SIG_BLOCK, &set, &previous_), Status::kMemory, "block signals");
}

SignalDescriptor::~SignalDescriptor() { ::pthread_sigmask(SIG_SETMASK, &previous_, nullptr); }

std::string SignalDescriptor::take() {
  signalfd_siginfo info{};
  if (::read(fd_.get(), &info, sizeof info) != sizeof info) return {};
  return std::string("SIG") + ::sigabbrev_np(static_cast<int>(info.ssi_signo));
}

}  // namespace rdpipe
