#include "launch/command.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstring>
#include <exception>
#include <utility>

#include "ground/await_ready.h"
#include "launch/spawn.h"

namespace rdpipe {
namespace {

constexpr Nanoseconds kTidying = std::chrono::seconds(1);           // for what a producer has to clean up
constexpr Nanoseconds kDying = std::chrono::seconds(5);             // what hangs in the kernel dies later
constexpr Nanoseconds kLook = std::chrono::milliseconds(20);        // for its end, where there are no pidfds
constexpr Nanoseconds kLookAgain = std::chrono::milliseconds(250);  // whether it waits for the terminal

std::string what_came_of(const Ended& ended) {
  if (ended.signal == 0) return fmt::format("exited with status {}", ended.status);
  const char* name = ::sigabbrev_np(ended.signal);
  return name != nullptr ? fmt::format("was ended by SIG{}", name)
                         : fmt::format("was ended by signal {}", ended.signal);
}

}  // namespace

std::string command_name(const std::vector<std::string>& words) {
  constexpr std::size_t kShown = 80;  // bytes
  return fmt::format("'{}'", printable(words.front(), kShown));
}

Command::Command(Loop& loop, const std::vector<std::string>& words, Role role, ErrorOutput errors)
    : loop_(loop), role_(role), name_(command_name(words)) {
  try {
    start(words, std::move(errors));
  } catch (...) {
    end();
    throw;
  }
}

void Command::start(const std::vector<std::string>& words, ErrorOutput errors) {
  Pipe data = make_pipe(), err = make_pipe();
  const bool consumes = role_ == Role::kConsumer;
  pipe_ = std::move(consumes ? data.write : data.read);
  guard_.emplace(consumes ? &pipe_ : nullptr);
  SpawnPlan plan;
  plan.put(consumes ? data.read : data.write, consumes ? STDIN_FILENO : STDOUT_FILENO);
  plan.put(err.write, STDERR_FILENO);
  plan.join_group(guard_->group());
  process_.emplace(plan.start(words));
  errors_.emplace(loop_, std::move(err.read), std::move(errors));
  terminal_.emplace(*guard_);
  if (process_->ended_fd() >= 0) ending_.emplace(loop_, process_->ended_fd());
}

Command::~Command() { end(); }

bool Command::poll() {
  if (!ended_) look_at_end();
  if (ended_ && !ended_->well()) throw failure(what_came_of(*ended_));
  errors_->pump();
  return ended_.has_value();
}

void Command::look_at_end() {
  if (!ending_) loop_.wake_at(Deadline::in(kLook));
  if (terminal_->has_terminal()) loop_.wake_at(Deadline::in(kLookAgain));
  if (ending_) ending_->arm(POLLIN);  // first, as it may end meanwhile
  ended_ = process_->ended();
  if (ended_) {
    terminal_.reset();
    return errors_->finish();
  }
  try {
    if (const int signal = process_->stopped_by(); signal != 0) terminal_->answer(signal);
  } catch (const Error& error) {
    throw Error(error.status(), "run " + name_, error.cause(), error.hint());
  }
}

void Command::end_input() {
  guard_->let_go_of_held();
  pipe_.reset();
}

Error Command::failure(const std::string& what) const {
  const std::string last = errors_->last_line();
  return {Status::kCommand, "run " + name_, last.empty() ? what : fmt::format("{}: {}", what, last)};
}

void Command::end() noexcept {
  if (!released_) end_group();
  released_ = true;
  ending_.reset();
  errors_.reset();
  terminal_.reset();
  process_.reset();
  guard_.reset();
  pipe_.reset();
}

void Command::end_group() noexcept {
  if (guard_ && process_ && role_ == Role::kProducer) tidy_up();
  const Deadline deadline = Deadline::in(kDying);
  if (guard_) guard_->kill();
  if (!process_) return;
  process_->signal(SIGKILL);  // where somebody has killed the guard
  const bool ended = process_->await_end(kDying).has_value();
  const bool is_held = guard_ && !guard_->all_gone(deadline);
  try {
    if (errors_) errors_->finish();
    if (errors_ && (!ended || is_held)) errors_->warn(why_it_lives(is_held));
  } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch): its last words, and no memory for them
  }
}

std::string Command::why_it_lives(bool is_held) const {
  const bool waits = is_held && role_ == Role::kConsumer;
  return fmt::format("{}, or what it has started, does not end, as one that runs as another user{}", name_,
                     waits ? "; until it ends, its input stays open" : "");
}

// Whatever has its output or its standard error open is part of it.
void Command::tidy_up() noexcept {
  const Deadline deadline = Deadline::in(kTidying);
  guard_->signal(SIGTERM);
  guard_->signal(SIGCONT);
  // As timeout(1), which tells all that it has started.
  const bool has_own_group = ::getpgid(process_->pid()) != guard_->group();
  if (has_own_group) {
    process_->signal(SIGTERM);
    process_->signal(SIGCONT);
  }
  process_->await_end(deadline.remaining());
  const auto await_no_writer = [&](int pipe) { await_ready(pipe, 0, deadline); };
  await_no_writer(pipe_.get());
  if (errors_) await_no_writer(errors_->pipe());
}

}  // namespace rdpipe
