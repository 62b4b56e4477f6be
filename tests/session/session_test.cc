#include "session/session.h"

#include "catch.h"
#include "error_of.h"
#include "session/strangers.h"

using namespace rdpipe;

namespace {

constexpr Nanoseconds kPatience = std::chrono::seconds(20);

Deadline soon() { return Deadline::in(kPatience); }

// Runs `action` in a thread of its own, with a loop of its own to which the session's link belongs meanwhile.
template <typename Action>
auto elsewhere(Loop& home, Session& session, Action action) {
  return std::async(std::launch::async, [&home, &session, action = std::move(action)] {
    Loop loop;
    session.link().move_to(loop);
    const std::shared_ptr<void> back(nullptr, [&](void*) { session.link().move_to(home); });
    return action(loop);
  });
}

struct Entrance {
  Loop loop;
  MemoryAcceptor acceptor{loop};
  std::vector<std::string> reports;
  Lobby lobby;

  explicit Entrance(LobbyLimits limits = {}, const std::string& key = kOneKey)
      : lobby(
            loop, acceptor, Key(Secret(key)), [this](const std::string& line) { reports.push_back(line); },
            limits) {}

  // Polls the lobby until `enough` says so or a session comes out.
  std::unique_ptr<Session> run(const std::function<bool()>& enough) {
    const Deadline deadline = soon();
    while (!deadline.passed()) {
      if (auto session = lobby.poll()) return session;
      if (enough()) return nullptr;
      loop.wait(deadline.earlier(Deadline::in(std::chrono::milliseconds(20))));
    }
    FAIL("nothing happened");
    return nullptr;
  }
  std::future<std::unique_ptr<Session>> authenticate_there(const std::string& key) {
    return acceptor.authenticate_there(key, kPatience);
  }
};

// Two sessions that have authenticated, each for a thread of its own.
struct Sessions {
  Loop loop;
  std::unique_ptr<Session> connector, listener;

  explicit Sessions(bool alter_hello = false, FaultScript script = {}) {
    Conversation talk;
    talk.run([&](bool from_connector, Bytes& bytes) {
      // A minor version that somebody in the middle has changed.
      if (alter_hello && from_connector && bytes.size() == 8) bytes[7] = std::byte{5};
    });
    SessionPair pair = make_sessions(loop, std::move(talk), std::move(script));
    connector = std::move(pair.connector);
    listener = std::move(pair.listener);
  }
};

Bytes copy(const Secret& secret) { return {secret.bytes().begin(), secret.bytes().end()}; }

// Receives until a message comes; throws what Session throws.
Message next_message(Session& session, Loop& loop) {
  for (const Deadline deadline = soon(); !deadline.passed();) {
    if (auto message = session.next()) return *message;
    auto event = session.link().poll();
    if (!event) {
      loop.wait(deadline);
    } else if (const auto* control = std::get_if<Control>(&*event)) {
      session.receive(*control);
    } else {
      throw std::runtime_error("the link closed");
    }
  }
  throw std::runtime_error("no message");
}

}  // namespace

TEST_CASE("a passphrase lets a connector in, and the sessions agree on terms") {
  Entrance entrance({}, "correct horse battery staple");
  auto there = entrance.authenticate_there("correct horse battery staple");
  auto listener = entrance.run([] { return false; });
  auto connector = there.get();
  auto exchanged = elsewhere(entrance.loop, *connector, [&](Loop& loop) {
    return connector->exchange(loop, offer(Role::kSends), soon()).slot_size;
  });
  CHECK(listener->exchange(entrance.loop, offer(Role::kReceives), soon()).slot_size == 1 << 18);
  CHECK(exchanged.get() == 1 << 18);
  CHECK(copy(connector->sending_key()) == copy(listener->receiving_key()));
  CHECK(copy(connector->receiving_key()) == copy(listener->sending_key()));
  CHECK(copy(connector->sending_key()) != copy(connector->receiving_key()));
  CHECK(entrance.reports.empty());
}

TEST_CASE("a wrong key is told at both ends, and the lobby goes on") {
  Entrance entrance;
  auto wrong = entrance.authenticate_there(kOtherKey);
  CHECK(entrance.run([&] { return ready(wrong); }) == nullptr);
  const Error error = error_of([&] { (void)wrong.get(); });
  CHECK(error.status() == Status::kAuthentication);
  CHECK(error.cause() == "wrong key");
  REQUIRE(entrance.reports.size() == 1);
  CHECK_THAT(entrance.reports[0], Catch::StartsWith("turned away ") && Catch::EndsWith(": wrong key"));
  auto right = entrance.authenticate_there(kOneKey);
  CHECK(entrance.run([] { return false; }) != nullptr);
  CHECK(right.get() != nullptr);
}

TEST_CASE("the lobby tells other versions, garbage, silence and lost links apart") {
  Entrance entrance({.strangers = 8, .patience = std::chrono::milliseconds(30)});
  const auto silent = entrance.acceptor.connect();
  CHECK(entrance.run([&] { return entrance.reports.size() == 1; }) == nullptr);
  const auto version = entrance.acceptor.connect();
  version->post_control(std::as_bytes(std::span("RDP1\0\11\0", 8)));
  const auto garbage = entrance.acceptor.connect();
  garbage->post_control(std::as_bytes(std::span("GET / HTTP/1.1", 14)));
  entrance.acceptor.connect().reset();  // never spoke: not worth a line
  auto lost = entrance.acceptor.connect();
  lost->post_control(std::as_bytes(std::span("RDP1", 4)));
  lost.reset();
  CHECK(entrance.run([&] { return entrance.reports.size() == 3; }) == nullptr);
  CHECK_THAT(entrance.reports[0], Catch::EndsWith(": it said nothing for 0.03 s"));
  CHECK_THAT(entrance.reports[1], Catch::EndsWith(": it speaks rdpipe protocol 9, this is 3"));
  CHECK_THAT(entrance.reports[2], Catch::EndsWith(": not rdpipe"));
}

TEST_CASE("two hundred silent strangers do not keep a good one out") {
  std::vector<std::unique_ptr<LoopbackLink>> silent;
  Entrance entrance({.strangers = 16});
  for (int i = 0; i < 100; ++i) silent.push_back(entrance.acceptor.connect());
  auto good = entrance.authenticate_there(kOneKey);
  for (int i = 0; i < 10; ++i) silent.push_back(entrance.acceptor.connect());
  CHECK(entrance.lobby.poll() == nullptr);
  bool crowded = false;
  auto session = entrance.run([&] {
    if (!crowded) {  // once the good one has greeted, or soon will: it is never the one that goes
      for (int i = 0; i < 5; ++i) silent.push_back(entrance.acceptor.connect());
    }
    crowded = true;
    return false;
  });
  CHECK(session != nullptr);
  CHECK(good.get() != nullptr);
}

TEST_CASE("a connector whose listener hangs up or says nothing gives up") {
  Loop loop;
  const Key key{Secret(kOneKey)};
  auto links = make_loopback(loop);
  auto& near = links.first;
  auto& far = links.second;
  SECTION("hangs up") {
    far->close();
    const Error error = error_of([&] { (void)authenticate(loop, std::move(near), key, soon()); });
    CHECK(error.status() == Status::kNetwork);
    CHECK(error.cause() == "it closed the connection before the handshake");
    CHECK_THAT(error.hint(), Catch::Contains("check host and port"));
  }
  SECTION("vanishes") {
    far.reset();
    const Error error = error_of([&] { (void)authenticate(loop, std::move(near), key, soon()); });
    CHECK(error.status() == Status::kNetwork);
    CHECK(error.cause() == "it closed the connection before the handshake");
  }
  SECTION("says nothing") {
    const auto deadline = Deadline::in(std::chrono::milliseconds(20));
    const Error error = error_of([&] { (void)authenticate(loop, std::move(near), key, deadline); });
    CHECK(error.status() == Status::kConnectTimeout);
    CHECK_THAT(error.hint(), Catch::Contains("--connect-timeout"));
  }
  SECTION("speaks another version") {
    far->post_control(std::as_bytes(std::span("RDP1\0\11\0\0\1................", 25)));
    const Error error = error_of([&] { (void)authenticate(loop, std::move(near), key, soon()); });
    CHECK(error.status() == Status::kProtocol);
    CHECK(error.cause() == "it speaks rdpipe protocol 9, this is 3");
  }
}

TEST_CASE("a greeting that was tampered with is refused by both ends") {
  Sessions sessions(true);
  auto there = elsewhere(sessions.loop, *sessions.connector, [&](Loop& loop) {
    return error_of([&] { (void)sessions.connector->exchange(loop, offer(Role::kSends), soon()); });
  });
  const auto here =
      error_of([&] { (void)sessions.listener->exchange(sessions.loop, offer(Role::kReceives), soon()); });
  CHECK_THAT(here.cause(), Catch::Contains("tampered"));
  CHECK_THAT(there.get().cause(), Catch::Contains("tampered"));
}

TEST_CASE("an end that goes before its offer is a lost receiver, or a stream that never came") {
  const bool sends = GENERATE(true, false);
  Sessions sessions;
  sessions.connector->link().close();
  const Error error = error_of([&] {
    (void)sessions.listener->exchange(sessions.loop, offer(sends ? Role::kSends : Role::kReceives), soon());
  });
  CHECK(error.status() == (sends ? Status::kNetwork : Status::kDamaged));
  CHECK(error.cause() == "it closed the connection");
}

TEST_CASE("a sender waits for a receiver that prepares, however long, and is told once") {
  Sessions sessions;
  auto there = elsewhere(sessions.loop, *sessions.connector, [&](Loop& loop) {
    Offer mine = offer(Role::kSends);
    mine.size = 777;
    const auto impatient = Deadline::in(std::chrono::milliseconds(200));
    return sessions.connector->exchange(loop, mine, impatient).size;
  });
  sessions.listener->prepare();
  CHECK(sessions.listener->await_offer(sessions.loop, soon()).size == 777);
  const auto late = Deadline::in(std::chrono::milliseconds(500));
  while (!late.passed()) sessions.loop.wait(late);
  CHECK(sessions.listener->exchange(sessions.loop, offer(Role::kReceives), soon()).size == 777);
  CHECK(there.get() == 777);
}

TEST_CASE("a sender with little patience does not wait for ever for a receiver that prepares") {
  Sessions sessions;
  auto there = elsewhere(sessions.loop, *sessions.connector, [&](Loop& loop) {
    return error_of([&] {
      (void)sessions.connector->exchange(loop, offer(Role::kSends), soon(),
                                         {.limit = std::chrono::milliseconds(200)});
    });
  });
  sessions.listener->prepare();
  const Error error = there.get();
  CHECK(error.status() == Status::kConnectTimeout);
  CHECK(error.cause() == "it was not ready in time");
}

TEST_CASE("whoever sends on stops waiting for a receiver that prepares when its own sender goes") {
  const bool says_why = GENERATE(true, false);
  Sessions onward, incoming;
  incoming.listener->link().move_to(onward.loop);
  onward.listener->prepare();
  if (says_why) {
    incoming.connector->dismiss(Error(Status::kSignal, "", "SIGTERM"));
  } else {
    incoming.connector->link().close();
  }
  const Error error = error_of([&] {
    (void)onward.connector->exchange(onward.loop, offer(Role::kSends), soon(),
                                     {.from = incoming.listener.get()});
  });
  CHECK(error.from_peer() == says_why);
  CHECK(error.status() == (says_why ? Status::kSignal : Status::kDamaged));
}

TEST_CASE("nobody but a receiver prepares, and nobody twice") {
  const bool sends = GENERATE(true, false);
  Sessions sessions;
  sessions.connector->prepare();
  if (sends) sessions.connector->prepare();
  const Error error = error_of([&] {
    (void)sessions.listener->exchange(sessions.loop, offer(sends ? Role::kSends : Role::kReceives), soon());
  });
  CHECK(error.status() == Status::kProtocol);
  CHECK_THAT(error.cause(), Catch::Contains("before its offer"));
}

TEST_CASE("what one end of two has heard of a failure it tells the other as it was said") {
  Sessions first, second;
  first.connector->send(Failed{11, "store 'out'", "No space left on device", "db3"});
  const Error heard = error_of([&] { (void)next_message(*first.listener, first.loop); });
  CHECK(heard.what() == std::string("store 'out' on db3: No space left on device"));
  second.connector->dismiss(heard, first.listener.get());
  first.listener->dismiss(heard, second.connector.get());  // who said so is not told
  const Error passed_on = error_of([&] { (void)next_message(*second.listener, second.loop); });
  CHECK(passed_on.what() == std::string(heard.what()));
  CHECK(passed_on.status() == Status::kFileIo);
  CHECK_THROWS_AS(next_message(*first.connector, first.loop), std::runtime_error);  // it closed
}

TEST_CASE("a failure here is told there, once, with a status that exists") {
  Sessions sessions;
  auto there = elsewhere(sessions.loop, *sessions.connector, [&](Loop& loop) {
    const Error heard = error_of([&] { (void)next_message(*sessions.connector, loop); });
    sessions.connector->fail(loop, heard, kPatience);
    return heard;
  });
  const auto start = Clock::now();
  sessions.listener->fail(sessions.loop, Error(static_cast<Status>(99), "store 'out'", "No\x1b space"),
                          kPatience);
  CHECK(Clock::now() - start < kPatience);  // both closed: nobody waited for the limit
  const Error heard = there.get();
  CHECK(heard.from_peer());
  CHECK(heard.status() == Status::kNetwork);
  CHECK_THAT(heard.what(), Catch::StartsWith("store 'out' on "));
  CHECK(heard.cause() == "No? space");
}

TEST_CASE("a time limit of the other end is told as its own, and names it once") {
  Sessions sessions;
  sessions.connector->send(Failed{30, "transfer with db2", "no data moved for 2 s", "db1"});
  const Error heard = error_of([&] { (void)next_message(*sessions.listener, sessions.loop); });
  CHECK(heard.status() == Status::kTimeout);
  CHECK(heard.what() == std::string("transfer with db1: it gave up by its --timeout: no data moved for 2 s"));
}

TEST_CASE("messages longer than a control frame arrive whole, and both ends close in good order") {
  Sessions sessions;
  const std::string text(2000, 'x');
  auto there = elsewhere(sessions.loop, *sessions.connector, [&](Loop& loop) {
    sessions.connector->send(Failed{11, text, text, "db1"});
    return sessions.connector->finish(loop, kPatience);
  });
  const Error heard = error_of([&] { (void)next_message(*sessions.listener, sessions.loop); });
  CHECK(heard.status() == Status::kFileIo);
  CHECK(heard.cause().size() == 400);
  CHECK(sessions.listener->finish(sessions.loop, kPatience));
  CHECK(there.get());
}

TEST_CASE("a control frame altered on the way is refused") {
  Sessions sessions(
      false, {.from_first = {{FaultAction::kCorruptPayload, control_frame(0), 20}}, .from_second = {}});
  sessions.connector->send(Bye{});
  CHECK(error_of([&] { (void)next_message(*sessions.listener, sessions.loop); }).status() ==
        Status::kDamaged);
}

TEST_CASE("a peer that never closes is not waited for beyond the limit") {
  Sessions sessions;
  CHECK_FALSE(sessions.listener->finish(sessions.loop, std::chrono::milliseconds(20)));
}
