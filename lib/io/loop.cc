#include "io/loop.h"

#include <poll.h>

#include <cassert>
#include <utility>

#include "io/backend.h"

namespace rdpipe {

Operation::~Operation() {
  if (pending()) loop_->abandon(*this);
}

std::int64_t Operation::take() {
  assert(done());
  state_ = State::kIdle;
  if (thrown_) std::rethrow_exception(std::exchange(thrown_, nullptr));
  return result_;
}

Watch::Watch(Loop& loop, int fd) : state_(new State{.backend = *loop.backend_, .fd = fd}) {
  ++state_->backend.dependents;
}

Watch::~Watch() {
  --state_->backend.dependents;
  state_->backend.disarm(*state_);
}

void Watch::arm(short events) {
  const auto wanted = static_cast<short>(state_->wanted | events | POLLERR | POLLHUP);
  if (wanted == state_->wanted) return;
  state_->wanted = wanted;
  state_->backend.arm(*state_);
}

bool Watch::armed() const noexcept { return state_->wanted != 0; }
int Watch::fd() const noexcept { return state_->fd; }
short Watch::seen() const noexcept { return state_->seen; }

Loop::Loop(const LoopOptions& options) {
  if (options.use_uring) backend_ = open_uring_backend(options);
  if (!backend_) backend_ = open_poll_backend(options);
}

Loop::~Loop() { backend_->interrupt_on(-1, {}); }

void Loop::wait(Deadline deadline) {
  const Deadline until = deadline.earlier(std::exchange(backend_->wake, Deadline::never()));
  backend_->collect(until);
  backend_->news = false;
  backend_->interrupt();
}

void Loop::poll() {
  backend_->collect(Deadline::now());
  backend_->interrupt();
}

void Loop::wake_at(Deadline deadline) noexcept { backend_->wake = backend_->wake.earlier(deadline); }

void Loop::notify() noexcept { backend_->wakeup->raise(); }

void Loop::interrupt_on(int fd, std::function<void()> action) {
  backend_->interrupt_on(fd, std::move(action));
}

void Loop::start(Operation& operation, const Request& request) {
  LoopCompletion::begin(operation, *this);
  LoopCompletion::request(operation) = request;
  ++backend_->dependents;
  try {
    backend_->start(operation);
  } catch (...) {
    --backend_->dependents;
    LoopCompletion::revert(operation);
    throw;
  }
}

void Loop::read(Operation& operation, int fd, std::span<std::byte> into, std::uint64_t offset) {
  start(operation, {Request::Kind::kRead, fd, into.data(), into.size(), offset});
}

void Loop::write(Operation& operation, int fd, std::span<const std::byte> from, std::uint64_t offset) {
  // One Request serves both directions, as iovec does. NOLINTNEXTLINE(cppcoreguidelines-pro-type-const-cast)
  auto* const data = const_cast<std::byte*>(from.data());
  start(operation, {Request::Kind::kWrite, fd, data, from.size(), offset});
}

void Loop::sync(Operation& operation, int fd) { start(operation, {.kind = Request::Kind::kSync, .fd = fd}); }

void Loop::run(Operation& operation, std::function<std::int64_t()> job, Abandon abandon) {
  LoopCompletion::begin(operation, *this);
  try {
    backend_->run(operation, std::move(job), abandon == Abandon::kDetach);
  } catch (...) {
    LoopCompletion::revert(operation);
    throw;
  }
  ++backend_->dependents;
}

void Loop::entrust(std::function<void()> job) noexcept {
  try {
    backend_->entrust(job);
  } catch (...) {
    job();
  }
}

std::uint64_t Loop::job_steps() const noexcept { return backend_->workers.steps(); }

bool Loop::register_memory(std::span<std::byte> memory) { return backend_->register_memory(memory); }

bool Loop::uses_uring() const noexcept { return backend_->uses_uring(); }

void Loop::abandon(Operation& operation) noexcept {
  if (const auto job = LoopCompletion::job(operation)) {
    backend_->abandon(*job);
    --backend_->dependents;
  } else {
    backend_->cancel(operation);
  }
}

}  // namespace rdpipe
