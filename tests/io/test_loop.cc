// Watches, waiting and waking.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <deque>
#include <iterator>
#include <optional>
#include <stdexcept>
#include <thread>

#include "io/fixtures.h"

namespace rdpipe {
namespace {

using std::chrono::milliseconds;

TEST_CASE("a watch is armed until its pipe is readable", "[io]") {
  Loop loop(either_backend());
  Pipe pipe;
  Watch watch(loop, pipe.out.get());
  CHECK_FALSE(watch.armed());
  watch.arm(POLLIN);
  loop.wait(Deadline::in(milliseconds(2)));
  CHECK(watch.armed());
  pipe.put("x");
  CHECK(wait_until(loop, [&] { return !watch.armed(); }));
  CHECK((watch.seen() & POLLIN) != 0);
  watch.arm(POLLIN);  // still readable: at once again
  CHECK(wait_until(loop, [&] { return !watch.armed(); }));
  pipe.in.reset();
  watch.arm(POLLIN);
  CHECK(wait_until(loop, [&] { return !watch.armed(); }));
  CHECK((watch.seen() & POLLHUP) != 0);
}

TEST_CASE("poll() alone sees what a watch waits for", "[io]") {
  Loop loop(either_backend());
  const Pipe pipe;
  Watch watch(loop, pipe.out.get());
  watch.arm(POLLIN);
  loop.poll();
  CHECK(watch.armed());
  pipe.put("x");
  const Deadline limit = Deadline::in(kLong);
  while (watch.armed() && !limit.passed()) loop.poll();
  CHECK_FALSE(watch.armed());
}

TEST_CASE("arming for more counts although a request is in flight", "[io]") {
  Loop loop(either_backend());
  const Pipe pipe;
  Watch watch(loop, pipe.in.get());
  watch.arm(0);  // errors and hang-up only
  loop.poll();
  CHECK(watch.armed());
  watch.arm(POLLOUT);
  CHECK(wait_until(loop, [&] { return !watch.armed(); }));
  CHECK((watch.seen() & POLLOUT) != 0);
}

TEST_CASE("two watches on one descriptor both see it", "[io]") {
  Loop loop(either_backend());
  const Pipe pipe;
  Watch first(loop, pipe.out.get());
  Watch second(loop, pipe.out.get());
  first.arm(POLLIN);
  second.arm(POLLIN);
  loop.poll();
  pipe.put("x");
  CHECK(wait_until(loop, [&] { return !first.armed() && !second.armed(); }));
}

TEST_CASE("many more watches than the queue is deep", "[io]") {
  LoopOptions options = either_backend();
  options.queue_depth = 2;
  Loop loop(options);
  const Pipe pipe;
  std::deque<Watch> watches;
  for (int i = 0; i < 50; ++i) watches.emplace_back(loop, pipe.out.get()).arm(POLLIN);
  loop.poll();
  pipe.put("x");
  CHECK(wait_until(loop, [&] {
    return std::none_of(watches.begin(), watches.end(), [](const Watch& watch) { return watch.armed(); });
  }));
}

TEST_CASE("once an armed watch is gone nothing holds its descriptor", "[io]") {
  Loop loop(either_backend());
  Pipe pipe;
  std::optional<Watch> watch;
  watch.emplace(loop, pipe.in.get());
  watch->arm(0);
  loop.poll();
  watch.reset();
  pipe.in.reset();
  std::byte byte;
  CHECK(::read(pipe.out.get(), &byte, 1) == 0);  // the end, not a wait for a writer that is left
  loop.wait(Deadline::in(milliseconds(1)));
}

TEST_CASE("wait ends at its deadline, or earlier at wake_at", "[io]") {
  Loop loop(either_backend());
  loop.poll();
  const auto begin = Clock::now();
  for (int i = 0; i < 3; ++i) loop.wait(Deadline::in(milliseconds(2)));
  CHECK(Clock::now() - begin < kLong);
  const Deadline soon = Deadline::in(milliseconds(3));
  loop.wake_at(soon);
  loop.wake_at(Deadline::in(kLong));
  loop.wait();
  CHECK(soon.passed());
  loop.wake_now();
  loop.wait();
  const Deadline later = Deadline::in(milliseconds(3));
  loop.wait(later);  // wake_now() counted for one wait
  CHECK(later.passed());
}

TEST_CASE("what a poll has collected keeps the next wait from sleeping", "[io]") {
  Loop loop(either_backend());
  const Pipe pipe;
  Watch watch(loop, pipe.out.get());
  watch.arm(POLLIN);
  pipe.put("x");
  const Deadline limit = Deadline::in(kLong);
  while (watch.armed() && !limit.passed()) loop.poll();
  loop.wait(limit);
  CHECK_FALSE(limit.passed());
}

TEST_CASE("notify ends a wait that sleeps, or the next", "[io]") {
  Loop loop(either_backend());
  const Deadline limit = Deadline::in(kLong);
  loop.notify();
  loop.notify();
  loop.wait(limit);
  std::atomic<bool> said = false;
  std::thread other([&] {
    said = true;
    loop.notify();
  });
  while (!said && !limit.passed()) loop.wait(limit);
  other.join();
  CHECK(said);
  CHECK_FALSE(limit.passed());
}

TEST_CASE("no notification is lost among many", "[io]") {
  Loop loop(either_backend());
  std::atomic<int> sent = 0, seen = 0;
  std::thread other([&] {
    for (int i = 1; i <= 2000; ++i) {
      sent = i;
      loop.notify();
      while (seen < i) std::this_thread::yield();
    }
  });
  const Deadline limit = Deadline::in(kLong);
  while (seen < 2000 && !limit.passed()) {
    loop.wait(limit);
    seen = sent.load();
  }
  CHECK_FALSE(limit.passed());
  seen = 2000;
  other.join();
}

TEST_CASE("an interrupt is thrown out of wait and the loop remains usable", "[io]") {
  Loop loop(either_backend());
  const Pipe signal;
  const Descriptor file = temporary_file("abc");
  std::array<std::byte, 4> buffer{};
  loop.interrupt_on(signal.out.get(), [&] {
    std::byte byte;
    REQUIRE(::read(signal.out.get(), &byte, 1) == 1);
    throw std::runtime_error("interrupted");
  });
  signal.put("!!");
  for (int i = 0; i < 2; ++i) {
    CHECK_THROWS_WITH(wait_until(loop, [] { return false; }), "interrupted");
  }
  Operation operation;
  loop.read(operation, file.get(), buffer, 0);
  CHECK(result_of(loop, operation) == 3);
  signal.put("!");
  loop.interrupt_on(-1, {});
  loop.wait(Deadline::in(milliseconds(1)));
}

TEST_CASE("a poll that sees the interrupt acts on it", "[io]") {
  Loop loop(either_backend());
  const Pipe signal;
  loop.interrupt_on(signal.out.get(), [] { throw std::runtime_error("interrupted"); });
  loop.poll();
  signal.put("!");
  const Deadline limit = Deadline::in(kLong);
  CHECK_THROWS_WITH(
      [&] {
        while (!limit.passed()) loop.poll();
      }(),
      "interrupted");
}

// Makes io_uring_setup fail for this thread as container profiles do.
bool forbid_uring() {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{.len = std::size(filter), .filter = filter};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

int read_where_uring_is_forbidden(int file) {
  if (!forbid_uring()) return 2;
  Loop loop;
  if (loop.uses_uring()) return 3;
  std::array<std::byte, 4> buffer{};
  Operation operation;
  loop.read(operation, file, buffer, 0);
  const Deadline limit = Deadline::in(kLong);
  while (operation.pending() && !limit.passed()) loop.wait(limit);
  return operation.done() && operation.take() == 3 ? 0 : 4;
}

// What is forbidden, is so for one thread and those that it starts.
TEST_CASE("where io_uring is forbidden the loop works without", "[io]") {
  const Descriptor file = temporary_file("abc");
  int failed_at = -1;
  std::thread([&] { failed_at = read_where_uring_is_forbidden(file.get()); }).join();
  CHECK(failed_at == 0);
}

}  // namespace
}  // namespace rdpipe
