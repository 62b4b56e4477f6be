// A client's thread: what becomes of its failures, and that it can be cut.
#include "serve/client_thread.h"

#include "catch.h"
#include "session/strangers.h"

using namespace rdpipe;

namespace {

constexpr Nanoseconds kPatience = std::chrono::seconds(20);

void run_to_its_end(Loop& loop, ClientThread& thread) {
  const Deadline deadline = Deadline::in(kPatience);
  while (!thread.ended()) {
    REQUIRE_FALSE(deadline.passed());
    thread.poll();
    loop.wait(Deadline::in(std::chrono::milliseconds(5)));
  }
}

}  // namespace

TEST_CASE("a client's thread that fails in whatever way is a failure of that client") {
  Loop loop;
  const auto run = [&](const std::function<void()>& prepare, const ClientThread::Work& work) {
    auto [connector, session] = make_sessions(loop);
    ClientThread thread(loop, {}, session, prepare, work);
    run_to_its_end(loop, thread);
    const auto failure = thread.failure();
    return std::pair(failure ? failure->cause() : "", thread.take_unserved() != nullptr);
  };
  const auto nothing = [](const std::shared_ptr<Loop>&, std::unique_ptr<Session>) {};
  CHECK(run([] {}, nothing) == std::pair(std::string(), false));
  CHECK(run([] { throw Error(Status::kMemory, "", "no wall"); }, nothing) ==
        std::pair(std::string("no wall"), true));
  CHECK(run([] {}, [](const auto&, auto) { throw 7; }) ==
        std::pair(std::string("it failed in an unknown way"), false));
  CHECK(run([] {}, [](const auto&, auto) { throw std::bad_alloc(); }) ==
        std::pair(std::string("out of memory"), false));
}

TEST_CASE("a client's thread is cut while it waits, and before it has its session") {
  Loop loop;
  auto [connector, session] = make_sessions(loop);
  ClientThread thread(
      loop, {}, session, [] {},
      [](const auto& own, auto) {
        for (;;) own->wait();
      });
  thread.cut();
  run_to_its_end(loop, thread);
  REQUIRE(thread.failure());
  CHECK(thread.failure()->status() == Status::kSignal);

  auto [there, unserved] = make_sessions(loop);
  bool ran = false;
  {
    const ClientThread never(
        loop, {}, unserved, [] {}, [&](const auto&, auto) { ran = true; });
  }
  CHECK_FALSE(ran);
}
