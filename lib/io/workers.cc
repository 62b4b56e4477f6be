#include "io/workers.h"

#include <algorithm>
#include <cassert>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "ground/deadline.h"
#include "ground/error.h"
#include "ground/signals_blocked.h"

namespace rdpipe {

struct Workers::Pool {
  Pool(unsigned thread_limit, std::shared_ptr<Wakeup> raised_when_finished, std::function<void()> first)
      : limit(thread_limit), wakeup(std::move(raised_when_finished)), begin(std::move(first)) {}

  const unsigned limit;
  const std::shared_ptr<Wakeup> wakeup;
  const std::function<void()> begin;
  std::mutex mutex;  // guards all below, and Stage and abandoned of each job
  std::condition_variable queued_or_stopping;
  std::condition_variable finished_or_stopped;
  std::deque<std::shared_ptr<Job>> queue;
  std::vector<std::shared_ptr<Job>> finished;
  unsigned threads = 0;  // all but those in an abandoned job
  unsigned idle = 0;     // of these, how many wait for a job
  bool stopping = false;

  std::atomic<std::uint64_t> steps = 0;
  std::atomic<Clock::rep> announced = 0;  // when the loop was last told of steps

  void step() noexcept;
};

namespace {

using Lock = std::unique_lock<std::mutex>;

constexpr Nanoseconds kAnnounceEvery = std::chrono::milliseconds(250);

// What this thread is running, and for whom.
thread_local const Job* current = nullptr;
thread_local Workers::Pool* employer = nullptr;

void run(Job& job) {
  current = &job;
  try {
    job.result = job.work();
  } catch (...) {
    job.thrown = std::current_exception();
  }
  job.work = nullptr;
  current = nullptr;
}

std::shared_ptr<Job> next_job(Workers::Pool& pool, Lock& lock) {
  ++pool.idle;
  pool.queued_or_stopping.wait(lock, [&] { return pool.stopping || !pool.queue.empty(); });
  --pool.idle;
  if (pool.queue.empty()) return nullptr;
  auto job = std::move(pool.queue.front());
  pool.queue.pop_front();
  job->stage = Job::Stage::kRunning;
  return job;
}

// Runs the pool's beginning; what it throws.
std::exception_ptr begin(const Workers::Pool& pool) noexcept {
  try {
    if (pool.begin) pool.begin();
    return nullptr;
  } catch (...) {
    return std::current_exception();
  }
}

void run_jobs(const std::shared_ptr<Workers::Pool>& pool) {
  employer = pool.get();
  const std::exception_ptr refusal = begin(*pool);
  Lock lock(pool->mutex);
  while (auto job = next_job(*pool, lock)) {
    lock.unlock();
    if (refusal) job->work = [&refusal]() -> std::int64_t { std::rethrow_exception(refusal); };
    run(*job);
    lock.lock();
    job->stage = Job::Stage::kFinished;
    if (job->abandoned) return;  // counted no more since then
    pool->finished.push_back(std::move(job));
    pool->wakeup->raise();
    pool->finished_or_stopped.notify_all();
  }
  --pool->threads;
  pool->finished_or_stopped.notify_all();
}

// Starts a thread when there are more jobs than threads to take them.
void grow(const std::shared_ptr<Workers::Pool>& pool) {
  if (pool->queue.size() <= pool->idle || pool->threads == pool->limit) return;
  const SignalsBlocked blocked;
  try {
    std::thread(run_jobs, pool).detach();
    ++pool->threads;
  } catch (const std::system_error& error) {
    if (pool->threads == 0) throw_errno(error.code().value(), Status::kMemory, "start a worker thread");
  }
}

}  // namespace

bool is_unwanted() noexcept {
  if (current == nullptr) return false;
  if (current->unwanted.load(std::memory_order_relaxed)) return true;
  employer->step();
  return false;
}

void Workers::Pool::step() noexcept {
  steps.fetch_add(1, std::memory_order_relaxed);
  const auto now = Clock::now().time_since_epoch().count();
  auto last = announced.load(std::memory_order_relaxed);
  if (now - last < kAnnounceEvery.count()) return;
  if (announced.compare_exchange_strong(last, now, std::memory_order_relaxed)) wakeup->raise();
}

Workers::Workers(unsigned limit, std::shared_ptr<Wakeup> wakeup, std::function<void()> begin)
    : pool_(std::make_shared<Pool>(limit, std::move(wakeup), std::move(begin))) {
  assert(limit >= 1 && limit <= 64);
}

Workers::~Workers() {
  Lock lock(pool_->mutex);
  assert(std::ranges::all_of(pool_->queue, [](const auto& job) { return job->operation == nullptr; }) &&
         "a job outlived its loop");
  pool_->stopping = true;
  pool_->queued_or_stopping.notify_all();
  pool_->finished_or_stopped.wait(lock, [&] { return pool_->threads == 0; });
}

void Workers::start(std::shared_ptr<Job> job) {
  const Lock lock(pool_->mutex);
  pool_->queue.push_back(std::move(job));
  try {
    grow(pool_);
  } catch (...) {
    pool_->queue.pop_back();
    throw;
  }
  pool_->queued_or_stopping.notify_one();
}

bool Workers::withdraw(const Job& job) {
  const Lock lock(pool_->mutex);
  return std::erase_if(pool_->queue, [&](const auto& queued) { return queued.get() == &job; }) > 0;
}

void Workers::await(const Job& job) {
  Lock lock(pool_->mutex);
  pool_->finished_or_stopped.wait(lock, [&] { return job.stage == Job::Stage::kFinished; });
}

void Workers::abandon(Job& job) {
  const Lock lock(pool_->mutex);
  if (job.stage != Job::Stage::kRunning) return;
  job.abandoned = true;
  --pool_->threads;
  grow(pool_);
}

std::uint64_t Workers::steps() const noexcept { return pool_->steps.load(std::memory_order_relaxed); }

std::vector<std::shared_ptr<Job>> Workers::take_finished() {
  const Lock lock(pool_->mutex);
  return std::exchange(pool_->finished, {});
}

}  // namespace rdpipe
