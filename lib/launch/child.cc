#include "launch/child.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <csignal>

#include "ground/error.h"
#include "io/loop.h"
#include "launch/spawn.h"

namespace rdpipe {
namespace {

constexpr Nanoseconds kLook = std::chrono::milliseconds(20);       // where there are no pidfds
constexpr Nanoseconds kTidying = std::chrono::milliseconds(1000);  // for what it has to clean up

// Our end of a pipe is a description of its own: the child's end keeps blocking.
void set_non_blocking(const Descriptor& end) {
  check(::fcntl(end.get(), F_SETFL, O_NONBLOCK), Status::kMemory, "set up a pipe");
}

}  // namespace

Child::Child(const std::vector<std::string>& words) {
  Pipe in = make_pipe(), out = make_pipe(), err = make_pipe();
  SpawnPlan plan;
  plan.put(in.read, STDIN_FILENO);
  plan.put(out.write, STDOUT_FILENO);
  plan.put(err.write, STDERR_FILENO);
  for (const Descriptor* end : {&in.write, &out.read, &err.read}) set_non_blocking(*end);
  process_.emplace(plan.start(words));
  input = std::move(in.write);
  output = std::move(out.read);
  errors = std::move(err.read);
}

Child::~Child() {
  input.reset();
  output.reset();
  errors.reset();
  if (!process_ || process_->ended()) return;
  process_->signal(SIGTERM);
  process_->signal(SIGCONT);
  if (process_->await_end(kTidying)) return;
  process_->signal(SIGKILL);
  process_->await_end(kTidying);
}

std::optional<int> Child::exited() {
  const auto ended = process_->ended();
  if (!ended) return {};
  return ended->signal != 0 ? 128 + ended->signal : ended->status;
}

std::optional<int> Child::await_exit(Loop& loop, Deadline deadline) {
  std::optional<Watch> watch;
  if (ended_fd() >= 0) watch.emplace(loop, ended_fd());
  while (!exited() && !deadline.passed()) {
    if (watch) watch->arm(POLLIN);
    loop.wait(watch ? deadline : deadline.earlier(Deadline::in(kLook)));
  }
  return exited();
}

void Child::terminate() noexcept { process_->signal(SIGTERM); }

}  // namespace rdpipe
