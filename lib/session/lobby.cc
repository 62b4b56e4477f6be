// Many strangers at once shake hands with one listener.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "session/control_stream.h"
#include "session/session.h"

namespace rdpipe {
namespace {

constexpr unsigned kReportsPerWindow = 3;
constexpr Nanoseconds kReportWindow = std::chrono::seconds(1);
constexpr Nanoseconds kFarewell = std::chrono::seconds(2);  // for the last words to one that is turned away
constexpr int kEventsPerTurn = 16;                          // so that no stranger keeps the others waiting

std::shared_ptr<const ListenerKey> make_listener_key(const Key& key) {
  std::array<std::byte, kSaltSize> salt;
  fill_random(salt);
  return std::make_shared<const ListenerKey>(salt, key.psk(salt));
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
  bool spoke = false;    // at all
  bool leaving = false;  // turned away: only its farewell is awaited
};

// Lines about failed strangers, a few in each window of time; what is beyond is counted and told at its end.
class Lobby::Reports {
 public:
  explicit Reports(std::function<void(const std::string&)> report) : report_(std::move(report)) {}

  void line(const std::string& peer, const std::string& why) {
    refresh();
    if (told_ == 0) window_ = Deadline::in(kReportWindow);
    if (told_ < kReportsPerWindow) {
      ++told_;
      report_(fmt::format("turned away {}: {}", peer, why));
    } else {
      ++untold_;
    }
  }
  // Tells what is due.
  void refresh() {
    if (told_ > 0 && window_.passed()) flush();
  }
  void flush() {
    if (untold_ > 0) report_(fmt::format("and {} more", untold_));
    told_ = untold_ = 0;
  }
  // When refresh() will have something to tell.
  [[nodiscard]] Deadline due() const { return untold_ > 0 ? window_ : Deadline::never(); }

 private:
  std::function<void(const std::string&)> report_;
  Deadline window_ = Deadline::never();
  unsigned told_ = 0;    // lines in this window
  unsigned untold_ = 0;  // lines held back in it
};

Lobby::Lobby(Loop& loop, Acceptor& acceptor, const Key& key, std::function<void(const std::string&)> report,
             LobbyLimits limits)
    : loop_(loop),
      acceptor_(acceptor),
      limits_(limits),
      reports_(std::make_unique<Reports>(std::move(report))),
      key_(make_listener_key(key)) {}

Lobby::~Lobby() {
  try {
    reports_->flush();
  } catch (...) {  // NOLINT(bugprone-empty-catch): a report is not worth dying for
  }
}

std::unique_ptr<Session> Lobby::poll() {
  reports_->refresh();
  accept_all();
  for (auto stranger = strangers_.begin(); stranger != strangers_.end();) {
    const Progress progress = advance(*stranger);
    if (progress == Progress::kWaiting) {
      loop_.wake_at(stranger->deadline);
      ++stranger;
      continue;
    }
    Stranger taken = std::move(*stranger);
    stranger = strangers_.erase(stranger);
    if (progress != Progress::kAuthenticated) continue;
    return std::make_unique<Session>(std::move(taken.link), std::move(taken.handshake),
                                     Handshake::Side::kListener);
  }
  loop_.wake_at(reports_->due());
  return nullptr;
}

void Lobby::accept_all() {
  for (int i = 0; i < kEventsPerTurn; ++i) {
    auto link = acceptor_.poll();
    if (!link) return;
    if (strangers_.size() >= limits_.strangers) make_room();
    std::string peer = link->info().peer;
    strangers_.push_back({.link = std::move(link),
                          .handshake = Handshake::listener(key_),
                          .peer = std::move(peer),
                          .deadline = Deadline::in(limits_.patience)});
  }
  loop_.wake_now();  // there may be more: next turn
}

// First goes one that was turned away already, then one that has not greeted, then the oldest.
void Lobby::make_room() {
  auto goes = std::ranges::find_if(strangers_, &Stranger::leaving);
  if (goes == strangers_.end()) {
    goes = std::ranges::find_if(strangers_, [](const Stranger& one) { return !one.handshake.greeted(); });
  }
  if (goes == strangers_.end()) goes = strangers_.begin();
  if (!goes->leaving) reports_->line(goes->peer, "it made way for newer connections");
  strangers_.erase(goes);
}

Lobby::Progress Lobby::advance(Stranger& stranger) {
  try {
    return take_events(stranger);
  } catch (const Error& error) {  // its link is lost, or it broke the framing rules
    const bool broke_rules = error.status() == Status::kDamaged;
    // One that never spoke only looked whether somebody listens, or has come in over RDMA meanwhile.
    const bool worth_a_line = (stranger.spoke || broke_rules) && !stranger.leaving;
    if (worth_a_line) reports_->line(stranger.peer, broke_rules ? "not rdpipe" : error.cause());
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
        reports_->line(stranger.peer, fmt::format("it {} {:g} s", what, seconds));
      }
      return Progress::kGone;
    }
    if (std::holds_alternative<PeerClosed>(*event)) {
      const bool worth_a_line = stranger.spoke && !stranger.leaving;  // as when its link is lost
      if (worth_a_line) reports_->line(stranger.peer, "it hung up before it had shown its key");
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
  if (stranger.handshake.verdict() != Verdict::kInProgress) {
    turn_away(stranger, reason_of(stranger.handshake));
  }
  return Progress::kWaiting;
}

// Its link is closed in good order, so that it learns why.
void Lobby::turn_away(Stranger& stranger, const std::string& reason) {
  reports_->line(stranger.peer, reason);
  stranger.leaving = true;
  stranger.deadline = Deadline::in(kFarewell).earlier(stranger.deadline);
  stranger.handshake = Handshake::listener(key_);  // frees what TLS held
  stranger.link->close();
}

}  // namespace rdpipe
