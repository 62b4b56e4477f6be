// The one place a thread sleeps. A Loop belongs to one thread, which makes, uses and destroys it; so do the
// Operations and Watches made on it.
// It is never called back into: callers start operations, sleep in wait(), and then look at what has become
// done. On io_uring where that is allowed, otherwise on poll(2) and the workers: same meaning, same tests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <span>

#include "ground/deadline.h"
#include "io/request.h"

namespace rdpipe {

class Loop;
struct Job;

// One request in flight: a read, a write, a sync or a job. Its owner keeps it, and the memory it was given,
// in place until it is done. Destroying a pending operation cancels it where the kernel can and waits until
// nobody touches the memory any more; a job started with Abandon::kDetach is left to end by itself. A job
// that has not begun by then never runs; one that takes long asks is_unwanted() (io/workers.h) now and then,
// by which Loop::job_steps() grows.
class Operation {
 public:
  Operation() = default;
  Operation(const Operation&) = delete;
  Operation& operator=(const Operation&) = delete;
  ~Operation();

  [[nodiscard]] bool idle() const noexcept { return state_ == State::kIdle; }
  [[nodiscard]] bool pending() const noexcept { return state_ == State::kPending; }
  [[nodiscard]] bool done() const noexcept { return state_ == State::kDone; }
  // The result of a done operation: a count, or -errno; rethrows what a job threw. The operation is idle
  // afterwards.
  std::int64_t take();

 private:
  friend class Loop;
  friend struct LoopCompletion;  // how the back ends deliver a result
  enum class State : std::uint8_t { kIdle, kPending, kDone };

  Loop* loop_ = nullptr;
  State state_ = State::kIdle;
  std::int64_t result_ = 0;
  std::exception_ptr thrown_;
  Request request_;           // of read, write and sync
  std::shared_ptr<Job> job_;  // what runs on a worker, shared with it
};

// Interest in a descriptor becoming readable or writable. The descriptor must stay open while the watch
// lives.
class Watch {
 public:
  Watch(Loop& loop, int fd);
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;
  ~Watch();

  // From now until it happens once, wait() also ends when the descriptor is ready for `events` (POLLIN,
  // POLLOUT; POLLERR and POLLHUP always count). Armed anew with other events, the union counts. Cheap when
  // already armed.
  void arm(short events);
  // True from arm() until readiness was seen by a wait(): while it is, trying the descriptor is pointless.
  [[nodiscard]] bool armed() const noexcept;
  [[nodiscard]] int fd() const noexcept;
  // What poll reported when it last ended (POLLIN | POLLHUP ...), 0 before.
  [[nodiscard]] short seen() const noexcept;

  struct State;  // of the loop's own

 private:
  std::unique_ptr<State> state_;
};

enum class Abandon : std::uint8_t { kWait, kDetach };

struct LoopOptions {
  bool use_uring = true;      // false: never try io_uring
  unsigned workers = 2;       // threads for run(), started on first use; 1 to 64
  unsigned queue_depth = 64;  // io_uring entries; more requests than that simply wait their turn
  // Runs first on each of these threads; what it throws is what all of its jobs then throw.
  std::function<void()> begin_worker{};
};

class __attribute__((visibility("default"))) Loop {  // the tools have loops of their own
 public:
  explicit Loop(const LoopOptions& options = {});
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  ~Loop();  // no operation and no watch of it may be left

  // Sleeps until an operation became done, an armed watch became ready, notify() was called, or the earlier
  // of `deadline` and all wake_at() since the last wait has passed. May also return for no reason. Throws
  // what the interrupt action throws.
  void wait(Deadline deadline = Deadline::never());
  // The same without sleeping: collects what has happened. Cheap when nothing has.
  void poll();
  // The next wait() returns at `deadline` at the latest. To be said anew for every wait.
  void wake_at(Deadline deadline) noexcept;
  // The next wait() returns at once: somebody has work left that no descriptor will announce.
  void wake_now() noexcept { wake_at(Deadline::now()); }
  // Makes the wait() that sleeps, or the next, return. The only call allowed from other threads.
  void notify() noexcept;

  // While `fd` (a signalfd, say) is readable, wait() and poll() call `action`, which takes what is there and
  // usually throws; the loop remains usable. Replaces the one before; an empty action: none. The descriptor
  // stays open until then or until the loop ends.
  void interrupt_on(int fd, std::function<void()> action);

  // Offsets in bytes; kCurrentPosition reads and writes at the file's own position, no two of one file at a
  // time. Results as read(2) and write(2): short counts are possible, -EINTR is not. A pipe that is not ready
  // is waited for; if it has O_NONBLOCK, older kernels answer -EAGAIN. On io_uring these go through
  // registered buffers where the span lies in one. What is started here reaches the kernel with the next
  // wait() or poll().
  static constexpr std::uint64_t kCurrentPosition = ~std::uint64_t{0};
  void read(Operation& operation, int fd, std::span<std::byte> into, std::uint64_t offset);
  void write(Operation& operation, int fd, std::span<const std::byte> from, std::uint64_t offset);
  void sync(Operation& operation, int fd);  // fdatasync

  // Runs `job` on a worker; what it returns is the result. It must not touch the loop. It may touch what its
  // owner keeps in place until the operation is done; with kDetach only what it owns or shares. A job that
  // blocks keeps its worker, and with all of them blocked the next job waits.
  void run(Operation& operation, std::function<std::int64_t()> job, Abandon abandon = Abandon::kWait);
  // Runs `job`, which touches only what it owns, on a worker, at the latest when the loop ends, which waits
  // for it; what comes of it nobody hears. Where no thread can be had, it runs here and now. For destructors.
  void entrust(std::function<void()> job) noexcept;

  // A number that grows while jobs that take long get on; wait() then ends at least four times a second.
  [[nodiscard]] std::uint64_t job_steps() const noexcept;

  // Registers one range for reads and writes (replacing the one before; empty: none). False where that is not
  // possible: I/O then works all the same. The range must stay mapped until it is replaced or the loop ends.
  bool register_memory(std::span<std::byte> memory);

  [[nodiscard]] bool uses_uring() const noexcept;

  struct Backend;

 private:
  friend class Operation;
  friend class Watch;
  void start(Operation& operation, const Request& request);
  void abandon(Operation& operation) noexcept;

  std::unique_ptr<Backend> backend_;
};

}  // namespace rdpipe
