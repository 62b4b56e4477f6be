// An authenticated connection: the link, and the messages that decide outcomes, inside TLS. One thread, its
// loop's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "ground/deadline.h"
#include "ground/error.h"
#include "io/loop.h"
#include "session/handshake.h"
#include "session/reports.h"
#include "session/throttle.h"
#include "transport/fabric.h"
#include "transport/link.h"
#include "wire/message.h"

namespace rdpipe {

// What both ends have agreed on.
struct Terms {
  std::size_t slot_size = 0;  // payload of a data frame, at most; bytes
  bool digest = true;
  bool sealed = false;
  Content content = Content::kStream;
  std::uint8_t compressions = 0;      // kCompressionFlags that frames may have
  std::optional<std::uint64_t> size;  // the sender's hint
  std::string peer_host;              // the other end's name, fit for a terminal
};

// Pure: the terms of two offers. Throws Error{kProtocol} where they cannot agree (two senders, another
// transcript, fabric or content), Error{kUsage} for --encrypt against --no-encrypt, each with a line a user
// understands.
[[nodiscard]] Terms agree(const Offer& mine, const Offer& theirs);

class Session {
 public:
  Session(std::unique_ptr<Link> link, Handshake handshake, Handshake::Side side);

  [[nodiscard]] Link& link() { return *link_; }
  [[nodiscard]] const Link& link() const { return *link_; }
  // A listener's: what it calls the key that the connector has shown.
  [[nodiscard]] const std::string& key_name() const { return handshake_.key_name(); }

  // What the other end is called from here on, whatever it says itself.
  void call_peer(const std::string& name);
  // Of a sender with a receiver that prepares: see prepare(). `deadline` is then no more.
  struct Patience {
    Nanoseconds limit{0};     // from when it has said so; 0: none
    Session* from = nullptr;  // the sender of what is sent on: when that has gone, nothing is waited for
  };
  // Sends `mine` (transcript, fabric, same_host, host and software are filled in here) and waits for the
  // other's.
  [[nodiscard]] const Terms& exchange(Loop& loop, Offer mine, Deadline deadline, const Patience& patience);
  [[nodiscard]] const Terms& exchange(Loop& loop, Offer mine, Deadline deadline) {
    return exchange(loop, std::move(mine), deadline, Patience());
  }
  // The other's, before this end has sent its own.
  [[nodiscard]] const Offer& await_offer(Loop& loop, Deadline deadline) {
    return await_offer(loop, deadline, Patience());
  }
  // Once, of a receiver: it has something to do before its offer, and ends that itself.
  void prepare() { send(Working{}); }
  // The same in steps: sends `mine`, and then asks until the other's has come. False while the caller may
  // sleep.
  void offer(Offer mine);
  [[nodiscard]] bool agreed();
  [[nodiscard]] const Terms& terms() const { return terms_; }

  void send(const Message& message);
  // Takes a control frame's bytes. Throws Error{kDamaged} for anything TLS refuses.
  void receive(const Control& control);
  // The next message. Failed is thrown as the Error it stands for (from_peer()).
  [[nodiscard]] std::optional<Message> next();

  // Key material for sealing: of what this end sends, and of what it receives.
  [[nodiscard]] Secret sending_key() const;
  [[nodiscard]] Secret receiving_key() const;

  // Nothing more will be said.
  void close();
  // Tells the peer why this end gives up, unless the peer said so itself; waits for nothing. What the peer of
  // `other` said is passed on as it was said there. Before close(): an answer may still come.
  void tell(const Error& error, const Session* other = nullptr);
  // The same, unless this end has closed, and that nothing more will come.
  void dismiss(const Error& error, const Session* other = nullptr);
  // The same, and waits at most `limit` for it to leave. Never throws.
  void fail(Loop& loop, const Error& error, Nanoseconds limit, const Session* other = nullptr) noexcept;
  // Closes in good order: waits until all is sent and the peer has closed too, at most `limit`. False if it
  // did not.
  bool finish(Loop& loop, Nanoseconds limit);

 private:
  void flush_output();
  [[nodiscard]] bool hear_offer();
  [[nodiscard]] const Offer& await_offer(Loop& loop, Deadline deadline, const Patience& patience);
  void require_sender();

  std::unique_ptr<Link> link_;
  Handshake handshake_;
  Handshake::Side side_;
  MessageReader reader_;
  std::optional<Offer> mine_, theirs_;
  bool is_preparing_ = false;  // the other end
  bool closed_ = false;
  std::optional<Failed> failed_;  // what it said
  Terms terms_;
  std::string name_;  // of the other end, as we call it
};

// Runs the connector's handshake (scrypt on a worker). Throws Error{kAuthentication} for a wrong key,
// Error{kProtocol} for another version or something that is no rdpipe, Error{kConnectTimeout}.
[[nodiscard]] std::unique_ptr<Session> authenticate(Loop& loop, std::unique_ptr<Link> link, const Key& key,
                                                    Deadline deadline);

struct LobbyLimits {
  std::size_t strangers = 64;  // at once; beyond it the one that has said least, longest ago, goes
  Nanoseconds patience = std::chrono::seconds(10);  // for one handshake
  // Who comes from an address that has shown too many wrong keys waits before it is answered (Throttle), once
  // and within its patience. For a listener that many may try keys at.
  bool throttles = false;
};

// The listener's side: many strangers at once shake hands; those who know the key come out as sessions. What
// happens to a stranger's link ends that stranger and nobody else.
class Lobby {
 public:
  // `report` hears one line for each stranger that failed, as many as Reports lets through.
  Lobby(Loop& loop, Acceptor& acceptor, std::shared_ptr<const ListenerKeys> keys,
        std::function<void(const std::string&)> report, LobbyLimits limits = {});
  // With one key that has no name: runs scrypt.
  Lobby(Loop& loop, Acceptor& acceptor, const Key& key, std::function<void(const std::string&)> report,
        LobbyLimits limits = {});
  ~Lobby();
  // Those who come from now on need one of these.
  void change_keys(std::shared_ptr<const ListenerKeys> keys) { keys_ = std::move(keys); }
  // The next authenticated session; nothing when the caller may sleep (wake-ups are arranged).
  [[nodiscard]] std::unique_ptr<Session> poll();

 private:
  struct Stranger;
  enum class Progress : std::uint8_t { kWaiting, kAuthenticated, kGone };
  void accept_all();
  void make_room();
  [[nodiscard]] bool holds_back(Stranger& stranger) const;
  [[nodiscard]] bool is_one_too_many(const Stranger& stranger) const;
  Progress advance(Stranger& stranger);
  Progress take_events(Stranger& stranger);
  Progress shake_hands(Stranger& stranger, const Control& control);
  void turn_away(Stranger& stranger, const std::string& reason);
  void report(const std::string& peer, const std::string& why);

  Loop& loop_;
  Acceptor& acceptor_;
  LobbyLimits limits_;
  Reports reports_;
  std::shared_ptr<const ListenerKeys> keys_;
  Throttle throttle_;
  std::list<Stranger> strangers_;  // in order of arrival
};

}  // namespace rdpipe
