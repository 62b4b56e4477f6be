// Many strangers at once shake hands with one listener.
#include <fmt/format.h>

#include <algorithm>
#include <new>
#include <utility>

#include "session/control_stream.h"
#include "session/session.h"

namespace rdpipe {
namespace {

constexpr Nanoseconds kFarewell = std::chrono::seconds(2);  // for the last words to one that is turned away
constexpr std::ptrdiff_t kMostHeldBack = 8;                 // of one source, for wrong keys that it has shown
constexpr int kEventsPerTurn = 16;                          // so that no stranger keeps the others waiting

std::shared_ptr<const ListenerKeys> only(const Key& key) {
  std::array<std::byte, kSaltSize> salt;
  fill_random(salt);
  std::vector<NamedPsk> keys;
  keys.push_back({"", key.psk(salt)});
  return std::make_shared<const ListenerKeys>(salt, std::move(keys));
}

std::string reason_of(const Handshake& handshake) {
  switch (handshake.verdict()) {
    case Verdict::kWrongKey:
      return "wrong key";
    case Verdict::kOtherVersion:
      return fmt::format("it speaks rdpipe protocol {}, this is {}", handshake.peer_version(),
                         kProtocolMajor);
    default:
      return "not rdpipe";
  }
}

}  // namespace

struct Lobby::Stranger {
  std::unique_ptr<Link> link;
  Handshake handshake;
  std::string peer;
  Deadline deadline;
  std::optional<Deadline> answered_from{};  // it has to wait until then, or had to, for its address
  bool spoke = false;                       // at all
  bool leaving = false;                     // turned away: only its farewell is awaited

  [[nodiscard]] bool is_held_back() const {
    return answered_from && !answered_from->passed() && !deadline.passed();
  }
};

Lobby::Lobby(Loop& loop, Acceptor& acceptor, const Key& key, std::function<void(const std::string&)> report,
             LobbyLimits limits)
    : Lobby(loop, acceptor, only(key), std::move(report), limits) {}

Lobby::Lobby(Loop& loop, Acceptor& acceptor, std::shared_ptr<const ListenerKeys> keys,
             std::function<void(const std::string&)> report, LobbyLimits limits)
    : loop_(loop),
      acceptor_(acceptor),
      limits_(limits),
      reports_(std::move(report)),
      keys_(std::move(keys)) {}

Lobby::~Lobby() = default;

std::unique_ptr<Session> Lobby::poll() {
  reports_.refresh(Clock::now());
  accept_all();
  for (auto stranger = strangers_.begin(); stranger != strangers_.end();) {
    const bool held_back = holds_back(*stranger);
    if (held_back && is_one_too_many(*stranger)) {
      report(stranger->peer, "too many wrong keys came from its address");
      stranger = strangers_.erase(stranger);
      continue;
    }
    const Progress progress = held_back ? Progress::kWaiting : advance(*stranger);
    if (progress == Progress::kWaiting) {
      loop_.wake_at(held_back ? stranger->answered_from->earlier(stranger->deadline) : stranger->deadline);
      ++stranger;
      continue;
    }
    Stranger taken = std::move(*stranger);
    stranger = strangers_.erase(stranger);
    if (progress != Progress::kAuthenticated) continue;
    return std::make_unique<Session>(std::move(taken.link), std::move(taken.handshake),
                                     Handshake::Side::kListener);
  }
  loop_.wake_at(reports_.due());
  return nullptr;
}

void Lobby::report(const std::string& peer, const std::string& why) {
  reports_.add("from " + source_of(peer), fmt::format("turned away {}: {}", peer, why), Clock::now());
}

void Lobby::accept_all() {
  for (int i = 0; i < kEventsPerTurn; ++i) {
    auto link = acceptor_.poll();
    if (!link) return;
    if (strangers_.size() >= limits_.strangers) make_room();
    std::string peer = link->info().peer;
    strangers_.push_back({.link = std::move(link),
                          .handshake = Handshake::listener(keys_),
                          .peer = std::move(peer),
                          .deadline = Deadline::in(limits_.patience)});
  }
  loop_.wake_now();  // there may be more: next turn
}

// First goes one that was turned away already, then one that is held back, one that has not greeted, the
// oldest.
void Lobby::make_room() {
  auto goes = std::ranges::find_if(strangers_, &Stranger::leaving);
  if (goes == strangers_.end()) goes = std::ranges::find_if(strangers_, &Stranger::is_held_back);
  if (goes == strangers_.end()) {
    goes = std::ranges::find_if(strangers_, [](const Stranger& one) { return !one.handshake.greeted(); });
  }
  if (goes == strangers_.end()) goes = strangers_.begin();
  if (!goes->leaving) report(goes->peer, "it made way for newer connections");
  strangers_.erase(goes);
}

// Decided once, when its turn comes first: whoever goes on showing wrong keys does not prolong it.
// Those who are held back are let go of together: so they must be few, or they would be many tries of keys.
bool Lobby::is_one_too_many(const Stranger& stranger) const {
  const std::string source = source_of(stranger.peer);
  const auto held = std::ranges::count_if(strangers_, [&](const Stranger& other) {
    return other.is_held_back() && source_of(other.peer) == source;
  });
  return held > kMostHeldBack;
}

bool Lobby::holds_back(Stranger& stranger) const {
  if (!limits_.throttles || stranger.spoke || stranger.leaving) return false;
  if (!stranger.answered_from) {
    const Deadline answers = throttle_.answers(source_of(stranger.peer));
    if (answers.passed()) return false;
    stranger.answered_from = answers;
  }
  return stranger.is_held_back();
}

Lobby::Progress Lobby::advance(Stranger& stranger) {
  try {
    return take_events(stranger);
  } catch (const std::bad_alloc&) {
    return Progress::kGone;
  } catch (const Error& error) {  // its link is lost, or it broke the framing rules
    const bool broke_rules = error.status() == Status::kDamaged;
    // One that never spoke only looked whether somebody listens, or has come in over RDMA meanwhile.
    const bool worth_a_line = (stranger.spoke || broke_rules) && !stranger.leaving;
    if (worth_a_line) report(stranger.peer, broke_rules ? "not rdpipe" : error.cause());
    return Progress::kGone;
  }
}

Lobby::Progress Lobby::take_events(Stranger& stranger) {
  for (int turn = 0; turn < kEventsPerTurn; ++turn) {
    const auto event = stranger.link->poll();
    if (!event) {
      if (!stranger.deadline.passed()) return Progress::kWaiting;
      if (!stranger.leaving) {
        const auto* what = stranger.spoke ? "did not finish the handshake in" : "said nothing for";
        const auto seconds = std::chrono::duration<double>(limits_.patience).count();
        report(stranger.peer, fmt::format("it {} {:g} s", what, seconds));
      }
      return Progress::kGone;
    }
    if (std::holds_alternative<PeerClosed>(*event)) {
      const bool worth_a_line = stranger.spoke && !stranger.leaving;  // as when its link is lost
      if (worth_a_line) report(stranger.peer, "it hung up before it had shown its key");
      return Progress::kGone;
    }
    const auto* control = std::get_if<Control>(&*event);
    if (control == nullptr || stranger.leaving) continue;
    if (shake_hands(stranger, *control) == Progress::kAuthenticated) return Progress::kAuthenticated;
  }
  if (stranger.deadline.passed()) return Progress::kGone;  // whatever it still says
  loop_.wake_now();                                        // there may be more: next turn
  return Progress::kWaiting;
}

Lobby::Progress Lobby::shake_hands(Stranger& stranger, const Control& control) {
  stranger.spoke = true;
  stranger.handshake.receive(control.bytes);
  post_stream(*stranger.link, stranger.handshake.take_output());
  if (stranger.handshake.verdict() == Verdict::kDone) return Progress::kAuthenticated;
  if (stranger.handshake.verdict() == Verdict::kWrongKey && limits_.throttles) {
    throttle_.charge(source_of(stranger.peer), Clock::now());
  }
  if (stranger.handshake.verdict() != Verdict::kInProgress) {
    turn_away(stranger, reason_of(stranger.handshake));
  }
  return Progress::kWaiting;
}

// Its link is closed in good order, so that it learns why.
void Lobby::turn_away(Stranger& stranger, const std::string& reason) {
  report(stranger.peer, reason);
  stranger.leaving = true;
  stranger.deadline = Deadline::in(kFarewell).earlier(stranger.deadline);
  stranger.handshake = Handshake::listener(keys_);  // frees what TLS held
  stranger.link->close();
}

}  // namespace rdpipe
