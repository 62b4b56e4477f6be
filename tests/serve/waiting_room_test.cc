// Clients that ask and a waiting room that judges, over links in memory; each client on a thread of its own.
#include "serve/waiting_room.h"

#include <future>

#include "catch.h"
#include "serve/client_thread.h"
#include "serve/request.h"
#include "session/conversation.h"
#include "transport/loopback.h"

using namespace rdpipe;

namespace {

using Words = std::vector<std::string>;

constexpr Nanoseconds kPatience = std::chrono::seconds(20);

struct Room {
  Loop loop;
  std::vector<Words> asked;
  std::vector<std::string> reports;
  std::vector<std::unique_ptr<Session>> admitted;
  std::function<void(const Words&)> objection = [](const Words&) {};
  WaitingRoom room{loop, [this](const Session&, const Words& words) { return judge(words); },
                   [this](const Session&, const std::string& why) { reports.push_back(why); }};

  Admission judge(const Words& words) {
    objection(words);
    asked.push_back(words);
    return {asked.size(),
            [this](std::unique_ptr<Session> session) { admitted.push_back(std::move(session)); }};
  }
  // A client whose session the room gets, and which does `work` with its own on a thread.
  template <typename Work>
  auto client(Work work) {
    Conversation talk;
    talk.run();
    auto [near, far] = make_loopback(loop);
    room.add(
        std::make_unique<Session>(std::move(near), std::move(talk.listener), Handshake::Side::kListener));
    return std::async(std::launch::async,
                      [work, link = std::move(far), handshake = std::move(talk.connector)]() mutable {
                        Loop own;
                        link->move_to(own);
                        Session session(std::move(link), std::move(handshake), Handshake::Side::kConnector);
                        return work(own, session);
                      });
  }
  auto asks(Words words, bool waits = false, std::vector<std::size_t>* places = nullptr) {
    return client([words = std::move(words), waits, places](Loop& own, Session& session) {
      return outcome([&] {
        const auto queued = [places](std::size_t ahead) {
          if (places != nullptr) places->push_back(ahead);
        };
        ask_server(own, session, words, waits, queued, Deadline::in(kPatience));
      });
    });
  }
  static std::string outcome(const std::function<void()>& work) {
    try {
      work();
      return "admitted";
    } catch (const Error& error) {
      return error.cause();
    }
  }
  void run_until(const std::function<bool()>& enough) {
    const Deadline deadline = Deadline::in(kPatience);
    while (!enough()) {
      REQUIRE_FALSE(deadline.passed());
      room.poll();
      loop.wait(Deadline::in(std::chrono::milliseconds(5)));
    }
  }
  template <typename T>
  T result(std::future<T>& future) {
    run_until([&] { return future.wait_for(std::chrono::seconds(0)) == std::future_status::ready; });
    return future.get();
  }
};

Offer some_offer() {
  Offer offer;
  offer.role = Role::kSends;
  offer.slot_size = 65536;
  return offer;
}

const Error kBusy(Status::kConnectTimeout, "be admitted", "busy");

}  // namespace

TEST_CASE("a client's words arrive as they are, in however many messages, and it is let in") {
  Room here;
  const Words words = {"--sender", "", std::string(100'000, 'x'), "--", "a b\n"};
  auto client = here.asks(words);
  here.run_until([&] { return here.room.first() != nullptr; });
  CHECK(here.room.first()->memory == 1);
  CHECK(here.room.waiting() == 1);
  here.room.admit_first();
  CHECK(here.result(client) == "admitted");
  REQUIRE(here.asked.size() == 1);
  CHECK(here.asked.front() == words);
  CHECK(here.admitted.size() == 1);
  CHECK(here.room.empty());
}

TEST_CASE(
    "where there is no room those who did not come to wait are refused, and the others keep their order") {
  Room here;
  std::vector<std::size_t> first_places, second_places;
  auto first = here.asks({"1"}, true, &first_places);
  here.run_until([&] { return here.room.waiting() == 1; });
  auto hasty = here.asks({"2"});
  here.run_until([&] { return here.room.waiting() == 2; });
  auto second = here.asks({"3"}, true, &second_places);
  here.run_until([&] { return here.room.waiting() == 3; });
  here.room.settle(kBusy);
  CHECK(here.result(hasty) == "busy");
  CHECK(here.reports == Words{"be admitted: busy"});
  here.room.settle(kBusy);  // nothing has changed: nobody hears of it again
  here.room.admit_first();
  CHECK(here.result(first) == "admitted");
  here.room.settle(kBusy);
  here.room.admit_first();
  CHECK(here.result(second) == "admitted");
  CHECK(first_places == std::vector<std::size_t>{0});
  CHECK(second_places == std::vector<std::size_t>{1, 0});
  CHECK(here.asked == std::vector<Words>{{"1"}, {"2"}, {"3"}});
}

TEST_CASE("what a client may not have it is refused, with the reason") {
  Room here;
  here.objection = [](const Words& words) {
    if (words.front() == "bad") throw Error(Status::kEndpoint, "write there", "not with this key");
  };
  auto bad = here.asks({"bad"});
  CHECK(here.result(bad) == "not with this key");
  CHECK(here.room.first() == nullptr);
  auto good = here.asks({"good"});
  here.run_until([&] { return here.room.first() != nullptr; });
  here.room.close(Error(Status::kNetwork, "be admitted", "the server stops"));
  CHECK(here.result(good) == "the server stops");
  here.run_until([&] { return here.room.empty(); });
}

TEST_CASE("a client that asks for nothing, too much or something else costs nobody but itself") {
  Room here;
  auto offers = here.client([](Loop& own, Session& session) {
    return Room::outcome(
        [&] { static_cast<void>(session.exchange(own, some_offer(), Deadline::in(kPatience))); });
  });
  CHECK(here.result(offers) == "it asks for nothing: this is a server of trees, for rdcp");
  auto endless = here.client([](Loop& own, Session& session) {
    return Room::outcome([&] {
      const Order more{std::vector<std::byte>(kMaxWords, std::byte{'x'}), false, false};
      for (std::size_t sent = 0; sent <= kMaxRequest; sent += kMaxWords) session.send(more);
      ask_server(own, session, {"x"}, false, {}, Deadline::in(kPatience));
    });
  });
  CHECK(here.result(endless) == "the request is above 2 MiB");
  auto cut = here.client([](Loop& own, Session& session) {
    return Room::outcome([&] {
      session.send(Order{{std::byte{'x'}}, true, false});
      static_cast<void>(session.exchange(own, some_offer(), Deadline::in(kPatience)));
    });
  });
  CHECK(here.result(cut) == "the request is cut off");
  auto goes = here.client([](Loop& own, Session& session) {
    session.send(Order{{std::byte{'x'}, std::byte{0}}, true, true});
    return session.finish(own, std::chrono::milliseconds(1));
  });
  static_cast<void>(here.result(goes));
  here.run_until([&] { return here.room.empty(); });
  CHECK(here.reports.size() == 4);
  CHECK(here.admitted.empty());
}

TEST_CASE("a client hears when what answers is no server of trees") {
  Room here;
  Conversation talk;
  talk.run();
  auto [near, far] = make_loopback(here.loop);
  Session listener(std::move(near), std::move(talk.listener), Handshake::Side::kListener);
  auto asked = std::async(std::launch::async, [&, link = std::move(far)]() mutable {
    Loop own;
    link->move_to(own);
    Session session(std::move(link), std::move(talk.connector), Handshake::Side::kConnector);
    return Room::outcome([&] { ask_server(own, session, {"x"}, false, {}, Deadline::in(kPatience)); });
  });
  CHECK_THROWS_AS(listener.exchange(here.loop, some_offer(), Deadline::in(kPatience)), Error);
  listener.fail(here.loop, Error(Status::kProtocol, "agree", "out of turn"), std::chrono::seconds(2));
  CHECK(asked.get() == "what answers there is no server of trees");
}

TEST_CASE("a client's thread that fails in whatever way is a failure of that client") {
  Loop loop;
  const auto run = [&](const std::function<void()>& prepare, const ClientThread::Work& work) {
    Conversation talk;
    talk.run();
    auto [near, far] = make_loopback(loop);
    auto session =
        std::make_unique<Session>(std::move(near), std::move(talk.listener), Handshake::Side::kListener);
    ClientThread thread(loop, {}, session, prepare, work);
    const Deadline deadline = Deadline::in(kPatience);
    while (!thread.ended()) {
      REQUIRE_FALSE(deadline.passed());
      thread.poll();
      loop.wait(Deadline::in(std::chrono::milliseconds(5)));
    }
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
  Conversation talk;
  talk.run();
  auto [near, far] = make_loopback(loop);
  auto session =
      std::make_unique<Session>(std::move(near), std::move(talk.listener), Handshake::Side::kListener);
  ClientThread thread(
      loop, {}, session, [] {},
      [](const auto& own, auto) {
        for (;;) own->wait();
      });
  const Deadline deadline = Deadline::in(kPatience);
  thread.cut();
  while (!thread.ended()) {
    REQUIRE_FALSE(deadline.passed());
    thread.poll();
    loop.wait(Deadline::in(std::chrono::milliseconds(5)));
  }
  REQUIRE(thread.failure());
  CHECK(thread.failure()->status() == Status::kSignal);

  Conversation other;
  other.run();
  auto [here, there] = make_loopback(loop);
  auto unserved =
      std::make_unique<Session>(std::move(here), std::move(other.listener), Handshake::Side::kListener);
  bool ran = false;
  {
    const ClientThread never(
        loop, {}, unserved, [] {}, [&](const auto&, auto) { ran = true; });
  }
  CHECK_FALSE(ran);
}
