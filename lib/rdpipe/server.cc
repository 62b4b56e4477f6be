// The server's main thread: strangers become sessions in the lobby, sessions ask in the waiting room, and
// each that is admitted gets a thread. It sleeps in one place, State::run().
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <list>
#include <new>
#include <optional>
#include <utility>

#include "ground/descriptor.h"
#include "ground/error.h"
#include "io/loop.h"
#include "rdpipe/fabric_options.h"
#include "rdpipe/serve.h"
#include "rdpipe/serve_rules.h"
#include "rdpipe/serve_tally.h"
#include "rdpipe/served_client.h"
#include "rdpipe/served_keys.h"
#include "serve/landlock.h"
#include "serve/places.h"
#include "serve/user.h"
#include "serve/waiting_room.h"
#include "session/session.h"
#include "transport/fabric.h"
#include "tree/attributes.h"

namespace rdpipe {
namespace {

constexpr Nanoseconds kCountPause = std::chrono::seconds(1);       // between looks at what clients have moved
constexpr Nanoseconds kBreather = std::chrono::milliseconds(100);  // when memory has run out

Descriptor open_root(const std::string& directory) {
  const std::string attempt = fmt::format("serve '{}'", directory);
  return Descriptor(
      check(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC), Status::kEndpoint, attempt));
}

LobbyLimits lobby_limits() {
  LobbyLimits limits;
  limits.throttles = true;
  limits.strangers = 256;
  return limits;
}

}  // namespace

// Members in the order of their lives: the clients' threads wake the loop until they have ended.
struct Server::State {
  State(ServeOptions its_serve, Options its_options);

  [[nodiscard]] Confinement settle_down() const;
  [[nodiscard]] Admission judge(const Session& session, const std::vector<std::string>& words);

  bool run();
  void turn();
  void obey();
  void begin_reload();
  void end_reload();
  void admit();
  void start(std::unique_ptr<Session> session, ServedOrder order);
  void reap();
  void settle(ServedClient& client);
  void count();
  void tell_status();
  [[nodiscard]] bool is_over() const { return !lobby && room.empty() && clients.empty(); }
  void say(const std::string& line) const {
    if (serve.notice) serve.notice(line);
  }
  void complain(const std::string& line) const {
    if (serve.trouble) serve.trouble(line);
  }

  ServeOptions serve;
  Options options;
  std::uint32_t umask;  // what new files have not
  Descriptor root;
  ServedKeys keys;
  Places places;
  Confinement confinement;
  Loop loop;
  std::optional<ServedKeys::Reload> reloading{};
  std::unique_ptr<Acceptor> acceptor;
  std::uint16_t port = 0;
  std::string description{};
  std::optional<Lobby> lobby;  // until it is stopped
  WaitingRoom room;
  std::list<ServedClient> clients;

  ServeTally tally;
  Deadline next_count = Deadline::now();

  unsigned stops = 0;  // asked for
  bool reload = false;
  bool was_cut = false;
  Deadline grace_end = Deadline::never();
};

Server::State::State(ServeOptions its_serve, Options its_options)
    : serve(std::move(its_serve)),
      options(std::move(its_options)),
      umask(umask_of_self()),  // out of reach from settle_down() on
      root(open_root(serve.directory)),
      keys(serve.keys, root.get()),
      places(limits_of(serve, options, keys.count())),
      confinement(settle_down()),
      loop({.use_uring = options.use_uring}),
      room(
          loop, places,
          [this](const Session& session, const std::vector<std::string>& words) {
            return judge(session, words);
          },
          [this](const std::string& line) { say(line); }) {
  hear_interrupts(loop, options);
  acceptor =
      listen(loop, serve.port, fabric_options(options), [this](const std::string& line) { say(line); });
  port = acceptor->port();
  description = acceptor->describe();
  lobby.emplace(
      loop, *acceptor, keys.listener(), [this](const std::string& line) { say(line); }, lobby_limits());
}

// RDMA devices take nothing from a thread that has become another since it opened them: so this comes first.
Confinement Server::State::settle_down() const {
  if (!serve.user.empty()) become_user(serve.user);
  ::tzset();  // /etc/localtime is out of reach from then on
  Confinement made = confine_thread(root.get(), serve.may_write, serve.readable, serve.writable);
  const bool cannot_write = serve.may_write && ::faccessat(root.get(), ".", W_OK, AT_EACCESS) == -1;
  if (cannot_write) complain(fmt::format("'{}' cannot be written: {}", serve.directory, errno_text(errno)));
  if (!made.holds) complain("not confined by the kernel: " + made.reason);
  return made;
}

bool Server::State::run() {
  for (;;) {
    try {
      turn();
    } catch (const std::bad_alloc&) {
      // Whoever asked for so much has gone, or will: the others go on.
      loop.wake_at(Deadline::in(kBreather));
    }
    if (is_over()) break;
    if (!lobby && !was_cut) loop.wake_at(grace_end);
    loop.wait();
  }
  tally.set_state(ServerState::kStopped);
  return !was_cut;
}

void Server::State::turn() {
  obey();
  while (lobby) {
    auto session = lobby->poll();
    if (!session) break;
    room.add(std::move(session));
  }
  room.poll();
  reap();
  if (lobby) admit();
  tell_status();
}

// What was asked for meanwhile.
void Server::State::obey() {
  if (reloading && reloading->done()) end_reload();
  if (!reloading && std::exchange(reload, false)) begin_reload();
  if (stops > 0 && lobby) {
    lobby.reset();
    acceptor.reset();
    room.close(Error(Status::kNetwork, "be admitted", "the server stops"));
    grace_end = Deadline::in(serve.grace);
  }
  if (!lobby && !was_cut && !clients.empty() && (stops > 1 || grace_end.passed())) {
    was_cut = true;
    for (ServedClient& client : clients) client.cut();
  }
}

void Server::State::begin_reload() {
  try {
    reloading.emplace(keys, loop);
  } catch (const Error& error) {
    complain("the old keys stay: " + text_with_hint(error));
    if (serve.reloaded) serve.reloaded();
  }
}

void Server::State::end_reload() {
  try {
    const auto changed_names = keys.take(*reloading);
    places.change(limits_of(serve, options, keys.count()));
    if (lobby) lobby->change_keys(keys.listener());
    room.refuse_those([&](const Session& session) { return changed_names.contains(session.key_name()); },
                      Error(Status::kAuthentication, "be admitted", "the key has changed meanwhile"));
    say(fmt::format("{} key{} read again", keys.count(), keys.count() == 1 ? " was" : "s were"));
  } catch (const Error& error) {
    complain("the old keys stay: " + text_with_hint(error));
  } catch (const std::bad_alloc&) {
    complain("the old keys stay: out of memory");
  }
  reloading.reset();
  if (serve.reloaded) serve.reloaded();
}

Admission Server::State::judge(const Session& session, const std::vector<std::string>& words) {
  const ServedKey& key = keys.of(session);
  ServedOrder order{.key = key.name, .wanted = serve.understand(words)};
  require_allowed(serve, key, order.wanted);
  confine(serve, order.wanted.copy);
  order.wanted.copy.umask = umask;
  const std::size_t memory = ring_shape(options, session.link().info().fabric).payload_bytes();
  if (memory > memory_for_clients(serve, options)) {
    throw Error(Status::kMemory, "be admitted", "its ring would be more than all the memory of the server");
  }
  const auto shared = std::make_shared<ServedOrder>(std::move(order));  // a function is copied
  return {memory, [this, memory, shared](std::unique_ptr<Session> its_session) {
            shared->place = places.take(shared->key, memory);
            start(std::move(its_session), std::move(*shared));
          }};
}

void Server::State::admit() {
  while (room.admit_next()) {
  }
  room.settle();
}

void Server::State::start(std::unique_ptr<Session> session, ServedOrder order) {
  try {
    order.directory = keys.open_directory(keys.of(*session));
    clients.emplace_back(loop, session, std::move(order), options);
  } catch (const Error& error) {
    room.dismiss(std::move(session), error);
  }
}

void Server::State::reap() {
  for (auto client = clients.begin(); client != clients.end();) {
    client->poll();
    if (client->ended()) {
      count();
      std::list<ServedClient> gone;  // once, whatever happens to what is told of it
      gone.splice(gone.begin(), clients, client++);
      settle(gone.front());
    } else {
      ++client;
    }
  }
}

// Of a client that has ended.
void Server::State::settle(ServedClient& client) {
  const ServedTransfer& transfer = client.result();
  if (auto unserved = client.take_unserved()) {
    room.dismiss(std::move(unserved), Error(static_cast<Status>(transfer.status), "serve", transfer.cause));
  }
  tally.add_ended(transfer.status == 0);
  for (const std::string& line : client.lines()) say(fmt::format("{}: {}", transfer.client, line));
  if (serve.transferred) serve.transferred(transfer);
}

// What has moved since the last look.
void Server::State::count() {
  std::uint64_t more = 0;
  for (ServedClient& client : clients) more += client.take_moved();
  tally.add_moved(more, Clock::now());
}

void Server::State::tell_status() {
  if (!clients.empty()) {
    if (next_count.passed()) {
      count();
      next_count = Deadline::in(kCountPause);
    }
    loop.wake_at(next_count);
  }
  tally.set_serving(clients.size());
  tally.set_waiting(room.waiting());
  if (!serve.changed) return;
  const auto now = Clock::now();
  if (tally.take_news(now)) serve.changed(tally.status(now));
  loop.wake_at(tally.next_news(now));
}

Server::Server(ServeOptions serve, Options options) {
  require_valid(serve, options);
  state_ = std::make_unique<State>(std::move(serve), std::move(options));
}

Server::~Server() = default;

std::uint16_t Server::port() const { return state_->port; }
std::string Server::describe() const { return state_->description; }
bool Server::run() { return state_->run(); }
void Server::stop() {
  ++state_->stops;
  state_->tally.set_state(ServerState::kStopping);
}
void Server::reload() { state_->reload = true; }
ServerStatus Server::status() const { return state_->tally.status(Clock::now()); }

}  // namespace rdpipe
