// What a Loop is made of inside: the part that both back ends share (workers, the wakeup, the interrupt, what
// has happened) and, as virtual functions, what io_uring and poll(2) do in their own ways. A Backend is owned
// by its Loop and belongs to the loop's thread.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <span>
#include <utility>

#include "io/loop.h"
#include "io/wakeup.h"
#include "io/workers.h"

namespace rdpipe {

// The back ends' way into an Operation.
struct LoopCompletion {
  static void begin(Operation& operation, Loop& loop);
  static void revert(Operation& operation) noexcept;  // it could not be started after all
  static void finish(Operation& operation, std::int64_t result, std::exception_ptr thrown = nullptr);
  static Request& request(Operation& operation) { return operation.request_; }
  static std::shared_ptr<Job>& job(Operation& operation) { return operation.job_; }
};

struct Watch::State {
  Loop::Backend& backend;
  const int fd;
  short wanted = 0;      // armed for these events, POLLERR and POLLHUP among them; 0: not armed
  short asked = 0;       // what the request in flight asks for; 0: none is. Only with io_uring
  bool changed = false;  // in the list of watches to ask for. Only with io_uring
  short seen = 0;
};

struct Loop::Backend {
  explicit Backend(const LoopOptions& options);
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;
  virtual ~Backend();

  [[nodiscard]] virtual bool uses_uring() const noexcept = 0;
  // Starts the operation's read, write or sync. It may be done at once.
  virtual void start(Operation& operation) = 0;
  // Ends a pending operation that is no job; on return it is done.
  virtual void cancel(Operation& operation) = 0;
  // `watch.wanted` has grown.
  virtual void arm(Watch::State& watch) = 0;
  // Forgets the watch; on return nothing holds its descriptor.
  virtual void disarm(Watch::State& watch) = 0;
  // Submits what waits, sleeps until `until` unless something has happened, and collects what has.
  virtual void collect(Deadline until) = 0;
  virtual bool register_memory(std::span<std::byte> memory) = 0;

  // The operation must have begun. Throws Error{kMemory} when there is no thread to be had.
  void run(Operation& operation, std::function<std::int64_t()> work, bool detach);
  void entrust(const std::function<void()>& work);
  void abandon(Job& job);  // its operation goes
  void interrupt_on(int fd, std::function<void()> action);
  void interrupt();  // calls the action if its descriptor was seen readable

  // For the back ends: something has happened.
  void finish(Operation& operation, std::int64_t result);
  void report_ready(Watch::State& watch, short events);
  void take_wakeup();  // the eventfd has been read: finishes jobs

  const std::shared_ptr<Wakeup> wakeup;
  Workers workers;
  Deadline wake = Deadline::never();  // the earliest wake_at() since the last wait
  bool news = false;                  // something has happened since the last wait
  unsigned dependents = 0;            // operations pending and watches

 private:
  struct Interrupt {
    Interrupt(Backend& backend, int fd, std::function<void()> taken)
        : watch{.backend = backend, .fd = fd}, action(std::move(taken)) {}
    Watch::State watch;
    std::function<void()> action;
  };
  std::unique_ptr<Interrupt> interrupt_;
};

// Null where the kernel or its policy does not allow io_uring.
[[nodiscard]] std::unique_ptr<Loop::Backend> open_uring_backend(const LoopOptions& options);
[[nodiscard]] std::unique_ptr<Loop::Backend> open_poll_backend(const LoopOptions& options);

}  // namespace rdpipe
