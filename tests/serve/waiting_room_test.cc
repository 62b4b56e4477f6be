// Clients that ask and a waiting room that judges, over links in memory; each client on a thread of its own.
#include "serve/waiting_room.h"

#include <algorithm>
#include <cstdlib>

#include "catch.h"
#include "serve/request.h"
#include "session/strangers.h"

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
  Places places{{.clients = 4, .memory = 100, .clients_per_key = 4, .memory_per_key = 100}};
  std::vector<Places::Place> taken;  // by those who were admitted
  WaitingRoom room{loop, places, [this](const Session&, const Words& words) { return judge(words); },
                   [this](const std::string& line) { reports.push_back(line); }};

  // Its last word is the memory that it takes, or it takes 1.
  Admission judge(const Words& words) {
    objection(words);
    asked.push_back(words);
    const int number = std::atoi(words.back().c_str());
    const auto memory = static_cast<std::size_t>(std::max(number, 1));
    return {memory, [this, memory](std::unique_ptr<Session> session) {
              taken.push_back(places.take(session->key_name(), memory));
              admitted.push_back(std::move(session));
            }};
  }
  // Lets in whoever has room. How many.
  int admit() {
    int count = 0;
    while (room.admit_next()) ++count;
    return count;
  }
  // A client whose session the room gets, and which does `work` with its own on a thread.
  template <typename Work>
  auto client(Work work, const std::string& key = kOneKey) {
    auto [connector, listener] = sessions_of(key);
    room.add(std::move(listener));
    return elsewhere(std::move(connector), work);
  }
  SessionPair sessions_of(const std::string& key) {
    Conversation talk(key, {key});
    talk.run();
    return make_sessions(loop, std::move(talk));
  }
  template <typename Work>
  static auto elsewhere(std::unique_ptr<Session> session, Work work) {
    return std::async(std::launch::async, [work, session = std::move(session)]() mutable {
      Loop own;
      session->link().move_to(own);
      const auto mine = std::move(session);  // gone before the loop
      return work(own, *mine);
    });
  }
  auto asks(Words words, bool waits = false, std::vector<std::size_t>* heard = nullptr,
            const std::string& key = kOneKey) {
    return client(
        [words = std::move(words), waits, heard](Loop& own, Session& session) {
          return outcome([&] {
            const auto queued = [heard](std::size_t ahead) {
              if (heard != nullptr) heard->push_back(ahead);
            };
            ask_server(own, session, words, waits, queued, Deadline::in(kPatience));
          });
        },
        key);
  }
  // One that waits, and stands in line behind the others.
  struct Waiting {
    std::vector<std::size_t> heard;
    std::future<std::string> result;
  };
  std::unique_ptr<Waiting> stands_in_line(const std::string& key, const std::string& memory = "1") {
    auto one = std::make_unique<Waiting>();
    const std::size_t before = room.waiting();
    one->result = asks({memory}, true, &one->heard, key);
    run_until([&] { return room.waiting() == before + 1; });
    return one;
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
    run_until([&] { return ready(future); });
    return future.get();
  }
  // What one hears that did not come to wait, after a moment.
  std::string refused(std::future<std::string>& future) {
    const auto began = Clock::now();
    run_until([&] {
      room.settle();
      return ready(future);
    });
    CHECK(Clock::now() - began > std::chrono::seconds(2));
    return future.get();
  }
};

Offer some_offer() {
  Offer offer;
  offer.role = Role::kSends;
  offer.slot_size = 65536;
  return offer;
}

}  // namespace

TEST_CASE("a client's words arrive as they are, in however many messages, and it is let in") {
  Room here;
  const Words words = {"--sender", "", std::string(100'000, 'x'), "--", "a b\n"};
  auto client = here.asks(words);
  here.run_until([&] { return here.room.waiting() == 1; });
  CHECK(here.admit() == 1);
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
  std::vector<Places::Place> taken;
  taken.push_back(here.places.take("", 97));
  taken.push_back(here.places.take("", 3));
  CHECK(here.admit() == 0);
  CHECK(here.refused(hasty) == "the server is busy, with 2 clients");
  REQUIRE(here.reports.size() == 1);
  CHECK_THAT(here.reports[0], Catch::StartsWith("turned away ") &&
                                  Catch::EndsWith("be admitted: the server is busy, with 2 clients"));
  here.room.settle();  // nothing has changed: nobody hears of it again
  taken.pop_back();
  here.places.change({.clients = 2, .memory = 100, .clients_per_key = 2, .memory_per_key = 100});
  CHECK(here.admit() == 1);
  CHECK(here.result(first) == "admitted");
  here.room.settle();
  taken.clear();
  CHECK(here.admit() == 1);
  CHECK(here.result(second) == "admitted");
  CHECK(first_places == std::vector<std::size_t>{0});
  CHECK(second_places == std::vector<std::size_t>{1, 0});
  CHECK(here.asked == std::vector<Words>{{"1"}, {"2"}, {"3"}});
}

TEST_CASE("a key that has its share holds back nobody but its own") {
  Room here;
  here.places.change({.clients = 3, .memory = 100, .clients_per_key = 2, .memory_per_key = 100});
  auto first = here.places.take(kOneKey, 1);
  const auto other_first = here.places.take(kOneKey, 1);
  const auto second = here.stands_in_line(kOneKey);
  const auto third = here.stands_in_line(kOneKey);
  auto hasty = here.asks({"1"});
  here.run_until([&] { return here.room.waiting() == 3; });
  CHECK(here.admit() == 0);
  CHECK(here.refused(hasty) == "the server is busy, with 2 clients, 2 of them with key '" + kOneKey + "'");
  const auto other = here.stands_in_line(kOtherKey);
  CHECK(here.admit() == 1);
  CHECK(here.result(other->result) == "admitted");
  const auto next_other = here.stands_in_line(kOtherKey);  // there is no place for it, but nobody in front
  CHECK(here.admit() == 0);
  here.room.settle();
  first = {};
  CHECK(here.admit() == 1);  // who came first
  CHECK(here.result(second->result) == "admitted");
  here.room.settle();
  here.room.close(Error(Status::kNetwork, "", "the end"));
  CHECK(here.result(third->result) == "the end");
  CHECK(here.result(next_other->result) == "the end");
  CHECK(second->heard == std::vector<std::size_t>{0});
  CHECK(third->heard == std::vector<std::size_t>{1, 0});
  CHECK(other->heard.empty());
  CHECK(next_other->heard == std::vector<std::size_t>{0});
}

TEST_CASE("whoever needs much memory is not passed by others for as long as it is its turn") {
  Room here;
  here.places.change({.clients = 4, .memory = 100, .clients_per_key = 4, .memory_per_key = 75});
  auto first = here.places.take(kOneKey, 40);
  const auto large = here.stands_in_line(kOtherKey, "70");
  const auto small = here.stands_in_line(kOneKey);
  CHECK(here.admit() == 0);
  first = {};
  CHECK(here.admit() == 2);
  CHECK(here.result(large->result) == "admitted");
  CHECK(here.result(small->result) == "admitted");
  // Nor by those of its own key, where it is the key's share that it waits for.
  const auto next_large = here.stands_in_line(kOtherKey, "6");
  const auto next_small = here.stands_in_line(kOtherKey, "1");
  CHECK(here.admit() == 0);
  here.taken.erase(here.taken.begin());  // the large one's
  CHECK(here.admit() == 2);
  CHECK(here.admitted.size() == 4);
  CHECK(here.result(next_large->result) == "admitted");
  CHECK(here.result(next_small->result) == "admitted");
}

TEST_CASE("of one key so many wait, and ask for so much, and no more") {
  Room here;
  std::vector<std::unique_ptr<Session>> silent;
  const auto add_silent = [&] {
    auto [connector, listener] = here.sessions_of(kOtherKey);
    here.room.add(std::move(listener));
    silent.push_back(std::move(connector));
  };
  for (int i = 0; i < 256; ++i) add_silent();
  CHECK(here.reports.empty());
  auto one_more = here.asks({"x"}, true, nullptr, kOtherKey);
  CHECK(here.result(one_more) == "the server is overrun");
  CHECK_THAT(here.reports.front(), Catch::EndsWith("the server is overrun"));
  for (int i = 0; i < 513; ++i) add_silent();  // nobody waits for the last of them to hear why not
  CHECK_THROWS_AS(silent.back()->link().poll(), Error);
  const auto of_another_key = here.stands_in_line(kOneKey);
  CHECK(here.admit() == 1);
  CHECK(here.result(of_another_key->result) == "admitted");

  const std::string megabytes(std::size_t{3} << 19, 'x');
  auto first = here.asks({megabytes}, true), second = here.asks({megabytes}, true);
  here.run_until([&] { return here.room.waiting() == 2; });
  auto third = here.asks({megabytes}, true);
  CHECK(here.result(third) == "those with this key ask for too much at once");
  here.room.close(Error(Status::kNetwork, "", "the end"));
  CHECK(here.result(first) == "the end");
  CHECK(here.result(second) == "the end");
}

TEST_CASE("what a client may not have it is refused, with the reason") {
  Room here;
  here.objection = [](const Words& words) {
    if (words.front() == "bad") throw Error(Status::kEndpoint, "write there", "not with this key");
  };
  auto bad = here.asks({"bad"});
  CHECK(here.result(bad) == "not with this key");
  CHECK(here.room.waiting() == 0);
  auto good = here.asks({"good"});
  here.run_until([&] { return here.room.waiting() == 1; });
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
  CHECK(here.reports.size() == 3);  // of the fourth there is a number, later
  CHECK(here.admitted.empty());
}

TEST_CASE("one that has shown its key and does not ask within ten seconds is let go, however it goes on") {
  Room here;
  auto waits = here.asks({"x"}, true);
  const auto began = Clock::now();
  const auto cause_and_time = [began](Loop& own, Session& session) {
    const auto cause =
        Room::outcome([&] { ask_server(own, session, {}, false, {}, Deadline::in(kPatience)); });
    return std::pair(cause, Clock::now() - began);
  };
  auto silent = here.client(cause_and_time);
  auto halting = here.client([&](Loop& own, Session& session) {
    session.send(Order{{std::byte{'x'}}, false, true});
    return cause_and_time(own, session);
  });
  for (auto* one : {&silent, &halting}) {
    const auto [cause, time] = here.result(*one);
    CHECK(cause == "nothing was asked for in time");
    CHECK(time > std::chrono::seconds(9));
  }
  CHECK(here.room.waiting() == 1);  // whoever has asked has time
  CHECK(here.admit() == 1);
  CHECK(here.result(waits) == "admitted");
  REQUIRE(here.reports.size() == 2);
  CHECK_THAT(here.reports[1], Catch::EndsWith("be admitted: nothing was asked for in time"));
}

TEST_CASE("1024 are heard at once, one more is refused, and those who were there stay") {
  Room here;
  std::vector<SessionPair> silent;
  for (std::size_t i = 0; i < 1023; ++i) {  // of one key there are never so many
    silent.push_back(here.sessions_of(std::string(64, "abcde"[i % 5])));
  }
  const auto first = here.stands_in_line(kOneKey);
  for (SessionPair& pair : silent) here.room.add(std::move(pair.listener));
  CHECK(here.reports.empty());
  auto surplus = here.asks({"surplus"}, true, nullptr, kOtherKey);
  CHECK(here.result(surplus) == "the server is overrun");
  REQUIRE(here.reports.size() == 1);
  CHECK_THAT(here.reports[0], Catch::EndsWith("be admitted: the server is overrun"));
  CHECK(here.room.waiting() == 1);
  silent.clear();
  here.run_until([&, calls = 0]() mutable { return ++calls > 2; });  // all of them are seen to have gone
  const auto last = here.stands_in_line(kOtherKey);
  CHECK(here.admit() == 2);
  CHECK(here.result(first->result) == "admitted");
  CHECK(here.result(last->result) == "admitted");
}

TEST_CASE("a client hears when what answers is no server of trees") {
  Loop loop;
  auto [connector, listener] = make_sessions(loop);
  auto asked = Room::elsewhere(std::move(connector), [](Loop& own, Session& session) {
    return Room::outcome([&] { ask_server(own, session, {"x"}, false, {}, Deadline::in(kPatience)); });
  });
  CHECK_THROWS_AS(listener->exchange(loop, some_offer(), Deadline::in(kPatience)), Error);
  listener->fail(loop, Error(Status::kProtocol, "agree", "out of turn"), std::chrono::seconds(2));
  CHECK(asked.get() == "what answers there is no server of trees");
}
