// The server's main thread: strangers become sessions in the lobby, sessions ask in the waiting room, and
// each that is admitted gets a thread. It sleeps in one place, State::run().
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <list>
#include <new>
#include <optional>
#include <utility>

#include "ground/descriptor.h"
#include "ground/error.h"
#include "ground/units.h"
#include "io/loop.h"
#include "rdpipe/fabric_options.h"
#include "rdpipe/serve.h"
#include "rdpipe/served_client.h"
#include "rdpipe/served_keys.h"
#include "serve/landlock.h"
#include "serve/rates.h"
#include "serve/user.h"
#include "serve/waiting_room.h"
#include "session/session.h"
#include "transport/fabric.h"
#include "tree/scope.h"

namespace rdpipe {
namespace {

constexpr Nanoseconds kCountPause = std::chrono::seconds(1);       // between looks at what clients have moved
constexpr Nanoseconds kStatusPause = std::chrono::seconds(10);     // between statuses, while there are rates
constexpr Nanoseconds kBreather = std::chrono::milliseconds(100);  // when memory has run out
constexpr unsigned kMostClients = 4096;

std::array<std::byte, kSaltSize> make_salt() {
  std::array<std::byte, kSaltSize> salt;
  fill_random(salt);
  return salt;
}

std::size_t least_ring(const Options& options) {
  return std::min(ring_shape(options, Fabric::kRdma).payload_bytes(),
                  ring_shape(options, Fabric::kTcp).payload_bytes());
}

Descriptor open_root(const std::string& directory) {
  const std::string attempt = fmt::format("serve '{}'", directory);
  return Descriptor(
      check(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC), Status::kEndpoint, attempt));
}

void require_valid(const ServeOptions& serve, const Options& options) {
  require_valid(options);
  if (serve.max_clients == 0 || serve.max_clients > kMostClients) {
    throw Error(Status::kUsage, "serve", fmt::format("clients at once: not between 1 and {}", kMostClients));
  }
  if (serve.memory != 0 && serve.memory < least_ring(options)) {
    throw Error(Status::kUsage, "serve",
                fmt::format("memory of {}: the ring of one client has {}", format_size(serve.memory),
                            format_size(least_ring(options))));
  }
}

LobbyLimits lobby_limits() {
  LobbyLimits limits;
  limits.throttles = true;
  limits.strangers = 256;
  return limits;
}

}  // namespace

// Keys that are read again: the worker's that derives what the lobby needs, until it is done.
struct Reload {
  WipedKeys keys;
  DerivedKeys derived{};
};

// Members in the order of their lives: the clients' threads wake the loop until they have ended.
struct Server::State {
  State(ServeOptions its_serve, Options its_options);

  [[nodiscard]] WipedKeys read_keys() const;
  [[nodiscard]] DerivedKeys load_keys();
  [[nodiscard]] Confinement settle_down() const;
  void begin_reload();
  void end_reload();
  [[nodiscard]] Descriptor open_directory(const ServedKey& key) const;
  [[nodiscard]] const ServedKey& key_of(const Session& session) const;
  [[nodiscard]] Admission judge(const Session& session, const std::vector<std::string>& words);
  void require_allowed(const ServedCopy& wanted, const ServedKey& key) const;
  void confine(ServedCopy& wanted) const;

  bool run();
  void turn();
  void obey();
  void admit();
  [[nodiscard]] bool has_room_for(const Admission& admission) const;
  void start(std::unique_ptr<Session> session, ServedOrder order);
  void reap();
  void settle(ServedClient& client);
  void count();
  void tell_status();
  [[nodiscard]] bool has_rates(Clock::time_point now) const;
  [[nodiscard]] ServerStatus status() const;
  void say(const std::string& line) const {
    if (serve.notice) serve.notice(line);
  }
  void complain(const std::string& line) const {
    if (serve.trouble) serve.trouble(line);
  }

  ServeOptions serve;
  Options options;
  std::size_t memory_limit;  // bytes
  Descriptor root;
  const std::array<std::byte, kSaltSize> salt = make_salt();
  std::vector<ServedKey> keys;  // without their texts, in the order of derived.ids
  DerivedKeys derived;
  Confinement confinement;
  Loop loop;
  std::shared_ptr<Reload> reloading;
  Operation deriving;  // of `reloading`
  std::unique_ptr<Acceptor> acceptor;
  std::uint16_t port = 0;
  std::string description{};
  std::optional<Lobby> lobby;  // until it is stopped
  WaitingRoom room;
  std::list<ServedClient> clients;
  std::size_t memory_used = 0;  // by the clients' rings, bytes

  Rates rates;
  std::uint64_t bytes = 0, transfers = 0, failures = 0;
  Clock::time_point last_moved{}, last_told{};
  Deadline next_count = Deadline::now();
  std::size_t waiting = 0;  // when last looked
  bool changed = true;      // since the status was last told

  unsigned stops = 0;  // asked for
  bool reload = false;
  bool was_cut = false;
  Deadline grace_end = Deadline::never();
};

Server::State::State(ServeOptions its_serve, Options its_options)
    : serve(std::move(its_serve)),
      options(std::move(its_options)),
      memory_limit(serve.memory != 0
                       ? serve.memory
                       : serve.max_clients * ring_shape(options, Fabric::kRdma).payload_bytes()),
      root(open_root(serve.directory)),
      derived(load_keys()),
      confinement(settle_down()),
      loop({.use_uring = options.use_uring}),
      room(
          loop,
          [this](const Session& session, const std::vector<std::string>& words) {
            return judge(session, words);
          },
          [this](const Session& session, const std::string& why) {
            say(fmt::format("turned away {} ({}): {}", session.link().info().peer, session.key_name(), why));
          }) {
  if (options.interrupt_fd >= 0) loop.interrupt_on(options.interrupt_fd, options.on_interrupt);
  acceptor =
      listen(loop, serve.port, fabric_options(options), [this](const std::string& line) { say(line); });
  port = acceptor->port();
  description = acceptor->describe();
  lobby.emplace(
      loop, *acceptor, derived.listener, [this](const std::string& line) { say(line); }, lobby_limits());
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

WipedKeys Server::State::read_keys() const {
  WipedKeys read(serve.keys());
  for (const ServedKey& key : read.list()) static_cast<void>(open_directory(key));
  return read;
}

DerivedKeys Server::State::load_keys() {
  WipedKeys read = read_keys();
  DerivedKeys made = derive(read, salt);
  keys = read.take_rest();
  return made;
}

void Server::State::begin_reload() {
  try {
    reloading = std::make_shared<Reload>(Reload{.keys = read_keys()});
    loop.run(deriving, [job = reloading, salt = salt]() -> std::int64_t {
      job->derived = derive(job->keys, salt);
      return 0;
    });
  } catch (const Error& error) {
    complain("the old keys stay: " + text_with_hint(error));
    if (serve.reloaded) serve.reloaded();
  }
}

void Server::State::end_reload() {
  try {
    deriving.take();
    std::vector<ServedKey> now = reloading->keys.take_rest();
    const auto changed_names = changed_keys(keys, derived, now, reloading->derived);
    keys = std::move(now);
    derived = std::move(reloading->derived);
    if (lobby) lobby->change_keys(derived.listener);
    room.refuse_those([&](const Session& session) { return changed_names.contains(session.key_name()); },
                      Error(Status::kAuthentication, "be admitted", "the key has changed meanwhile"));
    say(fmt::format("{} key{} read again", keys.size(), keys.size() == 1 ? " was" : "s were"));
  } catch (const Error& error) {
    complain("the old keys stay: " + text_with_hint(error));
  }
  reloading.reset();
  if (serve.reloaded) serve.reloaded();
}

Descriptor Server::State::open_directory(const ServedKey& key) const {
  Descriptor directory = Scope(root.get()).open(key.directory.empty() ? "." : key.directory, O_DIRECTORY);
  const bool is_overrun = !directory && (errno == EMFILE || errno == ENFILE);
  const std::string name = key.directory.empty() ? "." : key.directory;
  check(directory ? 0 : -1, is_overrun ? Status::kMemory : Status::kEndpoint,
        fmt::format("open '{}', the directory of key '{}'", name, key.name));
  return directory;
}

// By name: keys may have been read again since the session began.
const ServedKey& Server::State::key_of(const Session& session) const {
  const auto found = std::ranges::find(keys, session.key_name(), &ServedKey::name);
  if (found == keys.end()) throw Error(Status::kAuthentication, "be admitted", "the key is no longer known");
  return *found;
}

Admission Server::State::judge(const Session& session, const std::vector<std::string>& words) {
  const ServedKey& key = key_of(session);
  ServedOrder order{.key = key.name, .wanted = serve.understand(words)};
  require_allowed(order.wanted, key);
  confine(order.wanted);
  order.memory = ring_shape(options, session.link().info().fabric).payload_bytes();
  const std::size_t memory = order.memory;
  if (memory > memory_limit) {
    throw Error(Status::kMemory, "be admitted", "its ring would be more than all the memory of the server");
  }
  const auto shared = std::make_shared<ServedOrder>(std::move(order));  // a function is copied
  return {memory, [this, shared](std::unique_ptr<Session> its_session) {
            start(std::move(its_session), std::move(*shared));
          }};
}

void Server::State::require_allowed(const ServedCopy& wanted, const ServedKey& key) const {
  const bool reads = wanted.sends;
  const bool writes = !wanted.sends || wanted.copy.remove_source_files;
  if (reads && !(serve.may_read && key.may_read)) {
    throw Error(Status::kEndpoint, "read there", fmt::format("key '{}' may not", key.name));
  }
  if (writes && !(serve.may_write && key.may_write)) {
    throw Error(Status::kEndpoint, "write there", fmt::format("key '{}' may not", key.name));
  }
}

void Server::State::confine(ServedCopy& wanted) const {
  CopyOptions& copy = wanted.copy;
  copy.unprivileged = !serve.keep_owners && !serve.make_devices;
  if (!serve.keep_owners) copy.owner = copy.group = false;
  if (!serve.make_devices && !copy.unprivileged) copy.devices = false;  // otherwise each fails, with a line
  if (!serve.keep_owners && !copy.unprivileged) copy.xattrs = false;    // among them are capabilities
  copy.drop_special_bits = !serve.keep_special_bits;
  copy.hears_peer = false;
  copy.notice = copy.listed = {};
}

bool Server::State::has_room_for(const Admission& admission) const {
  return clients.size() < serve.max_clients && memory_used + admission.memory <= memory_limit;
}

void Server::State::admit() {
  while (const Admission* first = room.first()) {
    if (!has_room_for(*first)) break;
    room.admit_first();
    changed = true;
  }
  changed = changed || std::exchange(waiting, room.waiting()) != room.waiting();
  room.settle(Error(Status::kConnectTimeout, "be admitted",
                    fmt::format("the server is busy, with {} clients", clients.size())));
}

void Server::State::start(std::unique_ptr<Session> session, ServedOrder order) {
  const std::size_t memory = order.memory;
  try {
    order.directory = open_directory(key_of(*session));
    clients.emplace_back(loop, session, std::move(order), options);
    memory_used += memory;
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
  memory_used -= client.memory();
  const ServedTransfer& transfer = client.result();
  if (auto unserved = client.take_unserved()) {
    room.dismiss(std::move(unserved), Error(static_cast<Status>(transfer.status), "serve", transfer.cause));
  }
  ++transfers;
  if (transfer.status != 0) ++failures;
  changed = true;
  for (const std::string& line : client.lines()) say(fmt::format("{}: {}", transfer.client, line));
  if (serve.transferred) serve.transferred(transfer);
}

// What has moved since the last look.
void Server::State::count() {
  std::uint64_t more = 0;
  for (ServedClient& client : clients) more += client.take_moved();
  if (more == 0) return;
  last_moved = Clock::now();
  bytes += more;
  rates.add(last_moved, more);
}

void Server::State::tell_status() {
  if (!clients.empty()) {
    if (next_count.passed()) {
      count();
      next_count = Deadline::in(kCountPause);
    }
    loop.wake_at(next_count);
  }
  if (!serve.changed) return;
  const auto now = Clock::now();
  if (changed ? now >= last_told + kCountPause : has_rates(now) && now >= last_told + kStatusPause) {
    changed = false;
    last_told = now;
    serve.changed(status());
  }
  if (changed) loop.wake_at(Deadline::at(last_told + kCountPause));
  if (has_rates(now)) loop.wake_at(Deadline::at(last_told + kStatusPause));
}

bool Server::State::has_rates(Clock::time_point now) const {
  return bytes > 0 && now < last_moved + Rates::kLongest + kStatusPause;
}

ServerStatus Server::State::status() const {
  const auto now = Clock::now();
  ServerStatus status;
  status.clients = clients.size();
  status.waiting = room.waiting();
  status.transfers = transfers;
  status.failures = failures;
  status.bytes = bytes;
  status.rate_10s = rates.over(now, std::chrono::seconds(10));
  status.rate_1min = rates.over(now, std::chrono::minutes(1));
  status.rate_5min = rates.over(now, std::chrono::minutes(5));
  return status;
}

// What was asked for meanwhile.
void Server::State::obey() {
  if (deriving.done()) end_reload();
  if (deriving.idle() && std::exchange(reload, false)) begin_reload();
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

bool Server::State::run() {
  for (;;) {
    try {
      turn();
    } catch (const std::bad_alloc&) {
      // Whoever asked for so much has gone, or will: the others go on.
      loop.wake_at(Deadline::in(kBreather));
    }
    if (!lobby && room.empty() && clients.empty()) return !was_cut;
    if (!lobby && !was_cut) loop.wake_at(grace_end);
    loop.wait();
  }
}

Server::Server(ServeOptions serve, Options options) {
  require_valid(serve, options);
  state_ = std::make_unique<State>(std::move(serve), std::move(options));
}

Server::~Server() = default;

std::uint16_t Server::port() const { return state_->port; }
std::string Server::describe() const { return state_->description; }
bool Server::run() { return state_->run(); }
void Server::stop() { ++state_->stops; }
void Server::reload() { state_->reload = true; }
ServerStatus Server::status() const { return state_->status(); }

}  // namespace rdpipe
