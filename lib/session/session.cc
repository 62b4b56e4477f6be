#include "session/session.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "seal/sealer.h"
#include "session/control_stream.h"

namespace rdpipe {
namespace {

constexpr auto kConnectorLabel = "EXPORTER-rdpipe data connector";  // of what the connector sends
constexpr auto kListenerLabel = "EXPORTER-rdpipe data listener";

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

constexpr auto kTransfer = "transfer with ";  // what has a time limit

// A status from outside: one of those the manual names.
Status documented(int status) {
  constexpr std::array known = {
      Status::kUsage,   Status::kProtocol, Status::kEndpoint, Status::kNetwork,       Status::kAuthentication,
      Status::kFileIo,  Status::kDamaged,  Status::kCommand,  Status::kSignal,        Status::kMemory,
      Status::kPartial, Status::kVanished, Status::kTimeout,  Status::kConnectTimeout};
  const auto same = std::ranges::find(known, static_cast<Status>(status));
  return same != known.end() ? *same : Status::kNetwork;
}

// A failure that `host` reports. Its attempt at a time limit names this end, which is of no use here.
Error failure_of(const Failed& failed, const std::string& host) {
  const Status status = documented(failed.status);
  const std::string attempt = printable(failed.attempt), cause = printable(failed.cause);
  if (status == Status::kTimeout && attempt.starts_with(kTransfer)) {
    return {status, kTransfer + host, "it gave up by its --timeout: " + cause};
  }
  return {status, attempt.empty() ? host : attempt + " on " + host, cause};
}

Error not_rdpipe(const std::string& peer) {
  return {Status::kProtocol, "connect to " + peer, "what answers there is not rdpipe", "check host and port"};
}

// Why a connector's handshake came to nothing.
Error refusal(const Handshake& handshake, const std::string& peer) {
  switch (handshake.verdict()) {
    case Verdict::kWrongKey:
      return {Status::kAuthentication, "connect to " + peer, "wrong key", "both ends need the same key"};
    case Verdict::kOtherVersion:
      return {
          Status::kProtocol, "connect to " + peer,
          fmt::format("it speaks rdpipe protocol {}, this is {}", handshake.peer_version(), kProtocolMajor),
          "install the same version at both ends"};
    default:
      return not_rdpipe(peer);
  }
}

// What closes at once listens for something else, or has stopped listening meanwhile.
Error hung_up(const std::string& peer, bool heard) {
  if (heard) {
    return {Status::kNetwork, "connect to " + peer, "it closed the connection during the handshake"};
  }
  return {Status::kNetwork, "connect to " + peer, "it closed the connection before the handshake",
          "another program may listen there: check host and port; or another sender came first: each rdrecv "
          "takes one"};
}

// The next event before anything is known of the other end, nothing when `deadline` has passed: what is no
// frame was not sent by rdpipe.
std::optional<LinkEvent> wait_for_greeting(Loop& loop, Link& link, Deadline deadline, bool heard) try {
  for (;;) {
    if (auto event = link.poll()) return event;
    if (deadline.passed()) return {};
    loop.wait(deadline);
  }
} catch (const Error& error) {
  if (error.status() == Status::kDamaged) throw not_rdpipe(link.info().peer);
  const bool closed = error.cause() == errno_text(ECONNRESET) || error.cause() == errno_text(EPIPE);
  if (closed && !heard) throw hung_up(link.info().peer, heard);
  throw;
}

Error too_late(const std::string& peer) {
  return {Status::kConnectTimeout, "connect to " + peer, "it did not finish the handshake in time",
          "another program may listen there: check host and port; or it is busy, or slow: --connect-timeout"};
}

// Runs scrypt on a worker, so that signals are still seen meanwhile.
Secret derive_psk(Loop& loop, const Key& key, std::span<const std::byte, kSaltSize> salt) {
  if (key.is_random()) return key.psk(salt);
  Secret psk;
  Operation scrypt;
  loop.run(scrypt, [&]() -> std::int64_t {
    psk = key.psk(salt);
    return 0;
  });
  while (!scrypt.done()) loop.wait();  // bounded: about 50 ms
  scrypt.take();
  return psk;
}

// While `error` is being caught: without its sender a receiver has no stream.
[[noreturn]] void throw_without_sender(const Error& error) {
  if (error.from_peer() || error.status() != Status::kNetwork) throw;
  throw Error(Status::kDamaged, error.attempt(), error.cause(), error.hint());
}

void hear(Handshake& handshake, const LinkEvent& event, const std::string& peer, bool& heard) {
  if (const auto* control = std::get_if<Control>(&event)) {
    heard = true;
    handshake.receive(control->bytes);
  } else if (std::holds_alternative<PeerClosed>(event)) {
    throw hung_up(peer, heard);
  }
}

}  // namespace

Session::Session(std::unique_ptr<Link> link, Handshake handshake, Handshake::Side side)
    : link_(std::move(link)), handshake_(std::move(handshake)), side_(side) {
  reader_.add(handshake_.read());  // what came together with the handshake's last bytes
  terms_.peer_host = link_->info().peer;
}

void Session::call_peer(const std::string& name) {
  name_ = printable(name, 64);
  terms_.peer_host = name_;
}

void Session::offer(Offer mine) {
  mine.transcript = handshake_.transcript();
  mine.fabric = static_cast<std::uint8_t>(link_->info().fabric);
  mine.same_host = link_->info().same_host;
  mine.host = host_name();
  mine.software = "rdpipe " RDPIPE_VERSION;
  mine_ = std::move(mine);
  send(*mine_);
}

// True once the other's is there.
bool Session::hear_offer() {
  const std::string attempt = "agree with " + link_->info().peer;
  while (!theirs_) {
    if (auto message = next()) {
      const bool is_sender = mine_ && mine_->role == Role::kSends;
      if (auto* offer = std::get_if<Offer>(&*message)) {
        theirs_ = std::move(*offer);
      } else if (is_sender && std::holds_alternative<Working>(*message) && !is_preparing_) {
        is_preparing_ = true;
      } else {
        throw Error(Status::kProtocol, attempt, "it sent something else before its offer");
      }
      continue;
    }
    const auto event = link_->poll();
    if (!event) return false;
    if (const auto* control = std::get_if<Control>(&*event)) {
      receive(*control);
    } else if (std::holds_alternative<PeerClosed>(*event)) {
      throw Error(Status::kNetwork, attempt, "it closed the connection");
    }
  }
  return true;
}

bool Session::agreed() {
  if (!hear_offer()) return false;
  terms_ = agree(*mine_, *theirs_);
  if (!name_.empty()) terms_.peer_host = name_;
  return true;
}

const Offer& Session::await_offer(Loop& loop, Deadline deadline, const Patience& patience) try {
  bool was_preparing = false;
  while (!hear_offer()) {
    if (patience.from != nullptr) patience.from->require_sender();
    if (is_preparing_ && !std::exchange(was_preparing, true)) {
      deadline = patience.limit.count() > 0 ? Deadline::in(patience.limit) : Deadline::never();
    }
    if (deadline.passed()) {
      throw Error(Status::kConnectTimeout, "agree with " + link_->info().peer,
                  is_preparing_ ? "it was not ready in time" : "it did not answer in time");
    }
    loop.wait(deadline);
  }
  return *theirs_;
} catch (const Error& error) {
  const bool receives = !mine_ || mine_->role == Role::kReceives;
  if (!receives) throw;
  throw_without_sender(error);
}

// Of a receiver, whose sender waits for its offer: throws when that has gone, or has given up.
void Session::require_sender() try {
  const std::string attempt = "agree with " + link_->info().peer;
  for (;;) {
    while (const auto message = next()) {
      if (std::holds_alternative<Working>(*message)) continue;
      throw Error(Status::kProtocol, attempt, "it sent something else than was due");
    }
    const auto event = link_->poll();
    if (!event) return;
    if (const auto* control = std::get_if<Control>(&*event)) {
      receive(*control);
    } else if (std::holds_alternative<PeerClosed>(*event)) {
      throw Error(Status::kNetwork, attempt, "it closed the connection");
    }
  }
} catch (const Error& error) {
  throw_without_sender(error);
}

const Terms& Session::exchange(Loop& loop, Offer mine, Deadline deadline, const Patience& patience) {
  offer(std::move(mine));
  static_cast<void>(await_offer(loop, deadline, patience));
  static_cast<void>(agreed());
  return terms_;
}

void Session::send(const Message& message) {
  std::vector<std::byte> plain;
  encode(message, plain);
  handshake_.write(plain);
  flush_output();
}

void Session::flush_output() { post_stream(*link_, handshake_.take_output()); }

void Session::receive(const Control& control) {
  handshake_.receive(control.bytes);
  reader_.add(handshake_.read());
  flush_output();  // TLS answers a key update
  if (handshake_.broken()) {
    throw Error(Status::kDamaged, "hear from " + terms_.peer_host, "a message was altered on the way");
  }
}

std::optional<Message> Session::next() {
  auto message = reader_.next();
  if (reader_.malformed()) {
    throw Error(Status::kProtocol, "hear from " + terms_.peer_host, "a message makes no sense");
  }
  if (!message) return {};
  const auto* failed = std::get_if<Failed>(&*message);
  if (failed == nullptr) return message;
  failed_ = *failed;
  if (!name_.empty() || failed_->host.empty()) failed_->host = terms_.peer_host;
  Error error = failure_of(*failed_, printable(failed_->host, 64));
  error.set_from_peer();
  throw error;
}

Secret Session::sending_key() const {
  const bool connects = side_ == Handshake::Side::kConnector;
  return handshake_.export_key(connects ? kConnectorLabel : kListenerLabel, kSealKeySize);
}

Secret Session::receiving_key() const {
  const bool connects = side_ == Handshake::Side::kConnector;
  return handshake_.export_key(connects ? kListenerLabel : kConnectorLabel, kSealKeySize);
}

void Session::close() {
  closed_ = true;
  link_->close();
}

void Session::dismiss(const Error& error, const Session* other) {
  if (closed_) return;
  tell(error, other);
  close();
}

void Session::tell(const Error& error, const Session* other) {
  if (other != nullptr && other->failed_) {
    send(*other->failed_);
  } else if (!error.from_peer()) {
    send(Failed{static_cast<int>(error.status()), error.attempt(), error.cause(), host_name()});
  }
}

void Session::fail(Loop& loop, const Error& error, Nanoseconds limit, const Session* other) noexcept {
  try {
    dismiss(error, other);
    (void)finish(loop, limit);
  } catch (...) {  // NOLINT(bugprone-empty-catch): the first failure is the one to report
  }
}

bool Session::finish(Loop& loop, Nanoseconds limit) {
  const Deadline deadline = Deadline::in(limit);
  try {
    close();
    for (;;) {
      while (link_->poll()) {
        if (deadline.passed()) return false;  // a peer that goes on talking
      }
      if (link_->peer_closed() && link_->drained()) return true;
      if (deadline.passed()) return false;
      loop.wait(deadline);
    }
  } catch (const Error& lost) {
    if (lost.status() != Status::kNetwork && lost.status() != Status::kDamaged) throw;
    return false;
  }
}

std::unique_ptr<Session> authenticate(Loop& loop, std::unique_ptr<Link> link, const Key& key,
                                      Deadline deadline) {
  const std::string peer = link->info().peer;
  Handshake handshake = Handshake::connector();
  bool heard = false;  // anything of it
  for (;;) {
    if (handshake.verdict() == Verdict::kNeedsPsk) handshake.set_psk(derive_psk(loop, key, handshake.salt()));
    post_stream(*link, handshake.take_output());
    if (handshake.verdict() == Verdict::kDone) break;
    if (handshake.verdict() != Verdict::kInProgress) throw refusal(handshake, peer);
    const auto event = wait_for_greeting(loop, *link, deadline, heard);
    if (!event) throw too_late(peer);
    hear(handshake, *event, peer, heard);
  }
  return std::make_unique<Session>(std::move(link), std::move(handshake), Handshake::Side::kConnector);
}

}  // namespace rdpipe
