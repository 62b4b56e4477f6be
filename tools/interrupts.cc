#include "interrupts.h"

#include <fmt/format.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

#include <rdpipe/error.h>

namespace rdpipe::tools {
namespace {

constexpr unsigned kPatience = 10, kImpatience = 3;  // seconds; a last word to the peer takes up to 2

bool was_taken = false;
std::array<char, 160> last_line{};  // written before it may be needed

// What temporaries are still there the next copy removes, as after a SIGKILL.
void end_at_once(int /*number*/) {
  [[maybe_unused]] const auto written =
      ::write(STDERR_FILENO, last_line.data(), std::strlen(last_line.data()));
  ::_exit(static_cast<int>(Status::kSignal));
}

void hurry(int /*number*/) { ::alarm(kImpatience); }

void handle(int number, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  ::sigfillset(&action.sa_mask);
  ::sigaction(number, &action, nullptr);
}

// Whatever should hang while everything is cleaned up, a file system say.
void limit_the_end(const sigset_t& signals) {
  std::snprintf(last_line.data(), last_line.size(),
                "%s: error: interrupted, and ended before all was cleaned up\n",
                ::program_invocation_short_name);
  handle(SIGALRM, end_at_once);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    if (::sigismember(&signals, number) == 1) handle(number, hurry);
  }
  ::alarm(kPatience);
  sigset_t open = signals;
  ::sigaddset(&open, SIGALRM);
  ::pthread_sigmask(SIG_UNBLOCK, &open, nullptr);
}

}  // namespace

Interrupts::Interrupts() {
  ::sigemptyset(&signals_);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction action {};
    ::sigaction(number, nullptr, &action);
    if (action.sa_handler != SIG_IGN) ::sigaddset(&signals_, number);  // nohup stays in force
  }
  ::pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
  fd_ = ::signalfd(-1, &signals_, SFD_NONBLOCK | SFD_CLOEXEC);
  if (fd_ == -1) throw Error(Status::kMemory, "wait for signals", ::strerror(errno));
}

Interrupts::~Interrupts() {
  // No signal may end the process before it has said why it ends: they stay blocked, or hurry it.
  if (fd_ != -1) ::close(fd_);
}

void Interrupts::throw_if_any() {
  signalfd_siginfo info{};
  if (::read(fd_, &info, sizeof info) != sizeof info) return;
  was_taken = true;
  limit_the_end(signals_);
  throw Error(Status::kSignal, "",
              fmt::format("interrupted by SIG{}", ::sigabbrev_np(static_cast<int>(info.ssi_signo))));
}

bool Interrupts::came() noexcept { return was_taken; }

bool Interrupts::pressing() noexcept {
  sigset_t pending;
  ::sigpending(&pending);
  return was_taken || ::sigismember(&pending, SIGINT) == 1 || ::sigismember(&pending, SIGTERM) == 1 ||
         ::sigismember(&pending, SIGHUP) == 1;
}

void Interrupts::outlived() { ::alarm(0); }

}  // namespace rdpipe::tools
