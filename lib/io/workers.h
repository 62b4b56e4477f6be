// Threads that run jobs for a loop, as many as are needed and never more than a limit; started on first use,
// all signals blocked. Workers and its jobs belong to the loop's thread; with the threads they share a Pool,
// which the last of them frees: a thread may be stuck in a job for ever, long after the loop has gone.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <vector>

#include "io/wakeup.h"

namespace rdpipe {

class Operation;

struct Job {
  enum class Stage : std::uint8_t { kQueued, kRunning, kFinished };

  std::function<std::int64_t()> work;  // destroyed by the worker before the job counts as finished
  bool detach = false;                 // may be abandoned while it runs
  Operation* operation = nullptr;      // whose job it is, null when nobody's; only for the loop's thread

  std::atomic<bool> unwanted = false;  // its operation has gone
  // What came of it: the worker's until take_finished() yields the job.
  std::int64_t result = 0;
  std::exception_ptr thrown;

  // Guarded by the pool.
  Stage stage = Stage::kQueued;
  bool abandoned = false;
};

// In a job, between the pieces of long work: its operation has gone, so nobody will look at what comes of it
// and somebody waits for its end. False on any other thread. To ask is to say that the job gets on: it counts
// as a step.
[[nodiscard]] bool is_unwanted() noexcept;

class Workers {
 public:
  // `begin`: LoopOptions::begin_worker.
  Workers(unsigned limit, std::shared_ptr<Wakeup> wakeup, std::function<void()> begin);
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;
  // Every job must be finished, withdrawn, abandoned or nobody's. Waits for the threads, but not for
  // abandoned jobs; those of nobody are done then.
  ~Workers();

  // Queues it. Throws Error{kMemory} when there is no thread and none can be had.
  void start(std::shared_ptr<Job> job);
  // True when it had not begun: now it never will.
  [[nodiscard]] bool withdraw(const Job& job);
  // Sleeps until a job that has begun is finished.
  void await(const Job& job);
  // For a job that has begun: its result is wanted no more, and its thread no longer counts.
  void abandon(Job& job);
  // The jobs that finished since the last call; the wakeup is raised whenever there are new ones.
  [[nodiscard]] std::vector<std::shared_ptr<Job>> take_finished();
  // Of all jobs so far. While it grows the wakeup is raised four times a second.
  [[nodiscard]] std::uint64_t steps() const noexcept;

  struct Pool;

 private:
  std::shared_ptr<Pool> pool_;
};

}  // namespace rdpipe
