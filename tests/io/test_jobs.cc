// Jobs on the workers.
#include <sched.h>
#include <signal.h>

#include <array>
#include <atomic>
#include <chrono>
#include <deque>
#include <future>
#include <memory>
#include <stdexcept>
#include <thread>
#include <utility>

#include "io/fixtures.h"
#include "io/workers.h"

namespace rdpipe {
namespace {

TEST_CASE("a job's result is the operation's", "[io]") {
  Loop loop(either_backend());
  Operation operation;
  loop.run(operation, [] { return 42; });
  CHECK(operation.pending());
  CHECK(result_of(loop, operation) == 42);
  loop.run(operation, []() -> std::int64_t { throw std::runtime_error("from the worker"); });
  CHECK_THROWS_WITH(result_of(loop, operation), "from the worker");
  CHECK(operation.idle());
}

TEST_CASE("many jobs on few workers all end", "[io]") {
  Loop loop(either_backend());
  std::deque<Operation> jobs(500);
  std::atomic<int> count = 0;
  for (Operation& job : jobs) loop.run(job, [&] { return ++count; });
  for (Operation& job : jobs) CHECK(result_of(loop, job) > 0);
  CHECK(count == 500);
}

TEST_CASE("as many jobs run at once as there are workers", "[io]") {
  LoopOptions options = either_backend();
  options.workers = 3;
  Loop loop(options);
  const Pipe gate, arrivals;
  const auto pass = [&]() -> std::int64_t {
    std::byte byte{};
    return ::write(arrivals.in.get(), &byte, 1) + ::read(gate.out.get(), &byte, 1);
  };
  std::array<Operation, 3> jobs;
  for (Operation& job : jobs) loop.run(job, pass);
  std::byte byte;
  for (int i = 0; i < 3; ++i) REQUIRE(::read(arrivals.out.get(), &byte, 1) == 1);
  gate.put("...");
  for (Operation& job : jobs) CHECK(result_of(loop, job) == 2);
}

TEST_CASE("workers take no signals", "[io]") {
  Loop loop(either_backend());
  Operation operation;
  loop.run(operation, [] {
    sigset_t mask;
    ::pthread_sigmask(SIG_BLOCK, nullptr, &mask);
    return ::sigismember(&mask, SIGTERM) + ::sigismember(&mask, SIGINT);
  });
  CHECK(result_of(loop, operation) == 2);
}

TEST_CASE("a destroyed operation waits for its job", "[io]") {
  Loop loop(either_backend());
  std::promise<void> begun;
  std::atomic<bool> ended = false;
  {
    Operation operation;
    loop.run(operation, [&] {
      begun.set_value();
      for (int i = 0; i < 1000; ++i) ::sched_yield();
      ended = true;
      return 0;
    });
    begun.get_future().wait();
  }
  CHECK(ended);
  loop.poll();
}

TEST_CASE("a long job hears that its operation has gone", "[io]") {
  Loop loop(either_backend());
  CHECK_FALSE(is_unwanted());
  std::promise<void> begun;
  std::atomic<bool> was_wanted = false;
  {
    Operation operation;
    loop.run(operation, [&] {
      was_wanted = !is_unwanted();
      begun.set_value();
      while (!is_unwanted()) ::sched_yield();
      return 0;
    });
    begun.get_future().wait();
  }
  CHECK(was_wanted);
  loop.poll();
}

TEST_CASE("a loop wakes now and then while a job gets on, and not while it stands", "[io]") {
  Loop loop(either_backend());
  std::atomic<bool> may_go_on = true, stands = false;
  Operation operation;
  loop.run(operation, [&] {
    while (!is_unwanted()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      stands = !may_go_on;
      while (!may_go_on) ::sched_yield();
    }
    return 0;
  });
  const Deadline limit = Deadline::in(std::chrono::seconds(20));
  for (int i = 0; i < 3; ++i) {
    const std::uint64_t before = loop.job_steps();
    do loop.wait(limit);
    while (loop.job_steps() == before && !limit.passed());
    CHECK(loop.job_steps() > before);
  }
  may_go_on = false;
  while (!stands) ::sched_yield();
  loop.wait(Deadline::now());  // takes what was raised before
  const std::uint64_t before = loop.job_steps();
  const Deadline later = Deadline::in(std::chrono::milliseconds(600));
  loop.wait(later);
  CHECK(later.passed());
  CHECK(loop.job_steps() == before);
  may_go_on = true;
}

struct Stuck {
  std::int64_t operator()() const {
    std::byte byte{};
    return ::write(begun.in.get(), &byte, 1) + ::read(gate.out.get(), &byte, 1) +
           ::write(ended.in.get(), &byte, 1);
  }
  Pipe begun, gate, ended;
};

void take_two(const Pipe& pipe) {
  std::byte byte;
  for (int i = 0; i < 2; ++i) REQUIRE(::read(pipe.out.get(), &byte, 1) == 1);
}

TEST_CASE("abandoned jobs that block hold neither operation nor workers nor loop", "[io]") {
  const auto options = either_backend();
  const auto stuck = std::make_shared<Stuck>();
  {
    Loop loop(options);
    {
      std::array<Operation, 2> jobs;
      for (Operation& job : jobs)
        loop.run(
            job, [stuck] { return (*stuck)(); }, Abandon::kDetach);
      take_two(stuck->begun);
    }
    Operation next;  // both workers are stuck
    loop.run(next, [] { return 7; });
    CHECK(result_of(loop, next) == 7);
  }
  stuck->gate.put("xx");
  take_two(stuck->ended);
}

TEST_CASE("what a loop was entrusted with is done when it has ended, and not by its own thread", "[io]") {
  LoopOptions options = either_backend();
  options.workers = GENERATE(1U, 2U);
  std::atomic<int> done = 0, here = 0;
  {
    Loop loop(options);
    for (int i = 0; i < 100; ++i) {
      loop.entrust([&, self = std::this_thread::get_id()] {
        if (std::this_thread::get_id() == self) ++here;
        ++done;
      });
    }
    Operation among;
    loop.run(among, [] { return 7; });
    CHECK(result_of(loop, among) == 7);
  }
  CHECK(done == 100);
  CHECK(here == 0);
}

TEST_CASE("a job that has not begun when its operation goes never runs", "[io]") {
  LoopOptions options = either_backend();
  options.workers = 1;
  Loop loop(options);
  const Pipe gate;
  std::atomic<bool> ran = false;
  Operation first;
  loop.run(first, [&]() -> std::int64_t {
    std::byte byte;
    return ::read(gate.out.get(), &byte, 1);
  });
  {
    Operation second;
    loop.run(second, [&] { return ran = true; });
  }
  gate.put("x");
  CHECK(result_of(loop, first) == 1);
  CHECK_FALSE(ran);
}

}  // namespace
}  // namespace rdpipe
