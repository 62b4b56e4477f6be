#include "launch/group_guard.h"

#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstring>
#include <utility>

namespace rdpipe {
namespace {

constexpr Nanoseconds kFarewell = std::chrono::seconds(1);

// Its input ends when this process does; its output is what it holds. It has its signals blocked, so that
// those to the group miss it, but for SIGKILL.
constexpr auto kScript =
    "while read -r word; do case $word in held) exec >&- ;; done) exit 0 ;; esac; done; kill -s KILL 0";

pid_t start_guard(const Descriptor* held, const Pipe& life) {
  SpawnPlan plan;
  plan.put(life.read, STDIN_FILENO);
  if (held != nullptr) {
    plan.put(*held, STDOUT_FILENO);
  } else {
    plan.put_nothing(STDOUT_FILENO);
  }
  plan.put_nothing(STDERR_FILENO);
  plan.close_from(STDERR_FILENO + 1);
  plan.lead_group();
  plan.block_signals();
  return plan.start({"/bin/sh", "-c", kScript, "rdpipe-guard"});
}

}  // namespace

GroupGuard::GroupGuard(const Descriptor* held) : GroupGuard(held, make_pipe()) {}

GroupGuard::GroupGuard(const Descriptor* held, Pipe life)
    : process_(start_guard(held, life)), life_(std::move(life.write)) {}

GroupGuard::~GroupGuard() {
  if (process_.ended()) return;
  say("done\n");
  if (process_.await_end(kFarewell)) return;
  process_.signal(SIGKILL);
  process_.await_end(kFarewell);
}

void GroupGuard::let_go_of_held() noexcept { say("held\n"); }

// The group's number is nobody else's while its leader was not waited for.
void GroupGuard::signal(int number) noexcept {
  if (process_.ended()) return;
  ::kill(-group(), number);
}

void GroupGuard::kill() noexcept {
  signal(SIGKILL);
  process_.await_end(kFarewell);
}

// A guard that somebody has killed hears nothing.
void GroupGuard::say(const char* word) const noexcept {
  [[maybe_unused]] const auto written = ::write(life_.get(), word, std::strlen(word));
}

}  // namespace rdpipe
