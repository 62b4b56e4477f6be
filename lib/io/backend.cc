#include "io/backend.h"

#include <poll.h>

#include <cassert>
#include <utility>

namespace rdpipe {

void LoopCompletion::begin(Operation& operation, Loop& loop) {
  assert(operation.idle());
  operation.loop_ = &loop;
  operation.state_ = Operation::State::kPending;
}

void LoopCompletion::revert(Operation& operation) noexcept {
  operation.job_ = nullptr;
  operation.state_ = Operation::State::kIdle;
}

void LoopCompletion::finish(Operation& operation, std::int64_t result, std::exception_ptr thrown) {
  assert(operation.pending());
  operation.result_ = result;
  operation.thrown_ = std::move(thrown);
  operation.job_ = nullptr;
  operation.state_ = Operation::State::kDone;
}

Loop::Backend::Backend(const LoopOptions& options)
    : wakeup(std::make_shared<Wakeup>()), workers(options.workers, wakeup, options.begin_worker) {}

Loop::Backend::~Backend() { assert(dependents == 0 && "an operation or a watch outlived its loop"); }

void Loop::Backend::run(Operation& operation, std::function<std::int64_t()> work, bool detach) {
  auto job = std::make_shared<Job>();
  job->work = std::move(work);
  job->detach = detach;
  job->operation = &operation;
  workers.start(job);
  LoopCompletion::job(operation) = std::move(job);
}

void Loop::Backend::entrust(const std::function<void()>& work) {
  auto job = std::make_shared<Job>();
  job->work = [work]() -> std::int64_t { return work(), 0; };
  workers.start(std::move(job));
}

void Loop::Backend::abandon(Job& job) {
  job.operation = nullptr;
  job.unwanted = true;
  if (workers.withdraw(job)) return;
  if (job.detach) {
    workers.abandon(job);
  } else {
    workers.await(job);
  }
}

void Loop::Backend::interrupt_on(int fd, std::function<void()> action) {
  if (interrupt_) disarm(interrupt_->watch);
  interrupt_ = nullptr;
  if (!action) return;
  interrupt_ = std::make_unique<Interrupt>(*this, fd, std::move(action));
  interrupt_->watch.wanted = POLLIN | POLLERR | POLLHUP;
  arm(interrupt_->watch);
}

void Loop::Backend::interrupt() {
  if (!interrupt_ || interrupt_->watch.wanted != 0) return;
  interrupt_->watch.wanted = POLLIN | POLLERR | POLLHUP;
  arm(interrupt_->watch);
  const auto action = interrupt_->action;         // which may replace itself
  const bool before = std::exchange(news, true);  // if it throws, nobody has looked at what is done
  action();
  news = before;
}

void Loop::Backend::finish(Operation& operation, std::int64_t result) {
  LoopCompletion::finish(operation, result);
  --dependents;
  news = true;
}

void Loop::Backend::report_ready(Watch::State& watch, short events) {
  watch.seen = events;
  watch.wanted = 0;
  news = true;
}

void Loop::Backend::take_wakeup() {
  wakeup->lower();
  news = true;
  for (const auto& job : workers.take_finished()) {
    if (job->operation == nullptr) continue;
    LoopCompletion::finish(*job->operation, job->result, std::move(job->thrown));
    --dependents;
  }
}

}  // namespace rdpipe
