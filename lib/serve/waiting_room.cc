#include "serve/waiting_room.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <new>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "serve/request.h"

namespace rdpipe {
namespace {

constexpr Nanoseconds kPatience = std::chrono::seconds(10);  // for what is asked, once the key was shown
// Before one that did not come to wait hears that there is no room: the client before it may have ended, and
// its link not yet.
constexpr Nanoseconds kCourtesy = std::chrono::seconds(3);
constexpr Nanoseconds kFarewell = std::chrono::seconds(2);  // for the last words to one that is refused
constexpr std::size_t kMostGuests = 1024;
// Of one key: how many, and bytes of their requests, of which sense costs ten times that.
constexpr std::size_t kMostOfOneKey = 256;
constexpr std::size_t kMostWords = std::size_t{4} << 20;
constexpr int kEventsPerTurn = 64;  // so that nobody keeps the others waiting

}  // namespace

struct WaitingRoom::Guest {
  std::unique_ptr<Session> session;
  Deadline deadline;
  RequestReader request{};
  std::optional<Admission> admission{};  // once it stands in line
  std::size_t words = 0;                 // bytes of its request, once it was judged
  std::optional<std::size_t> told{};     // how many are in front
  bool leaving = false;                  // refused: only its farewell is awaited
  bool lost = false;
};

WaitingRoom::WaitingRoom(Loop& loop, const Places& places, Judge judge,
                         std::function<void(const std::string&)> report)
    : loop_(loop), places_(places), judge_(std::move(judge)), reports_(std::move(report)) {}

WaitingRoom::~WaitingRoom() = default;

void WaitingRoom::add(std::unique_ptr<Session> session) {
  const Error overrun(Status::kConnectTimeout, "be admitted", "the server is overrun");
  const auto of_key = static_cast<std::size_t>(std::ranges::count_if(
      guests_, [&](const Guest& guest) { return guest.session->key_name() == session->key_name(); }));
  // Those who are refused are here for a while, too.
  if (of_key >= 2 * kMostOfOneKey || guests_.size() >= 2 * kMostGuests) {
    return report(*session, overrun.what());
  }
  const bool is_one_too_many = of_key >= kMostOfOneKey || guests_.size() >= kMostGuests;
  Guest& guest =
      guests_.emplace_back(Guest{.session = std::move(session), .deadline = Deadline::in(kPatience)});
  if (is_one_too_many) refuse(guest, overrun);
}

void WaitingRoom::poll() {
  reports_.refresh(Clock::now());
  std::erase_if(guests_, [this](Guest& guest) { return !advance(guest); });
  loop_.wake_at(reports_.due());
}

void WaitingRoom::report(const Session& session, const std::string& why) {
  const std::string& key = session.key_name();
  reports_.add(fmt::format("with key '{}'", key),
               fmt::format("turned away {} ({}): {}", session.link().info().peer, key, why), Clock::now());
}

bool WaitingRoom::advance(Guest& guest) {
  try {
    take_events(guest);
  } catch (const Error& error) {
    if (guest.leaving) return false;
    if (error.status() == Status::kNetwork || error.from_peer()) {
      report(*guest.session, "it is gone: " + error.cause());
      return false;
    }
    refuse(guest, error);
  } catch (const std::bad_alloc&) {
    refuse(guest, Error(Status::kMemory, "be admitted", "out of memory"));
  }
  if (guest.lost) return false;
  if (guest.deadline.passed() && !guest.admission) {
    if (guest.leaving) return false;
    refuse(guest, Error(Status::kConnectTimeout, "be admitted", "nothing was asked for in time"));
  }
  loop_.wake_at(guest.deadline);
  return true;
}

void WaitingRoom::take_events(Guest& guest) {
  if (!guest.leaving) take_messages(guest);  // what came together with the handshake
  for (int i = 0; i < kEventsPerTurn; ++i) {
    const auto event = guest.session->link().poll();
    if (!event) return;
    if (std::holds_alternative<PeerClosed>(*event)) {
      guest.lost = true;
      if (!guest.leaving) report(*guest.session, "it went away before its turn");
      return;
    }
    const auto* control = std::get_if<Control>(&*event);
    if (control == nullptr || guest.leaving) continue;
    guest.session->receive(*control);
    take_messages(guest);
  }
  loop_.wake_now();  // there may be more: next turn
}

void WaitingRoom::take_messages(Guest& guest) {
  while (const auto message = guest.session->next()) {
    if (guest.admission) throw Error(Status::kProtocol, "", "a message out of turn");
    const bool is_whole = guest.request.take(*message);
    require_moderation(*guest.session);
    if (is_whole) judge(guest);
  }
}

void WaitingRoom::require_moderation(const Session& session) const {
  std::size_t words = 0;
  for (const Guest& guest : guests_) {
    if (!guest.leaving && guest.session->key_name() == session.key_name()) {
      words += guest.words + guest.request.size();
    }
  }
  if (words <= kMostWords) return;
  throw Error(Status::kConnectTimeout, "be admitted", "those with this key ask for too much at once");
}

void WaitingRoom::judge(Guest& guest) {
  guest.words = guest.request.size();
  guest.admission = judge_(*guest.session, guest.request.take_words());
  guest.deadline = guest.request.waits() ? Deadline::never() : Deadline::in(kCourtesy);
}

void WaitingRoom::refuse(Guest& guest, const Error& why) {
  report(*guest.session, why.what());
  guest.leaving = true;
  guest.admission.reset();
  guest.request = {};
  guest.deadline = Deadline::in(kFarewell);
  loop_.wake_now();
  try {
    guest.session->dismiss(why);
  } catch (const Error&) {
    guest.lost = true;
  }
}

bool WaitingRoom::admit_next() {
  std::set<std::string_view> waiting_keys;  // for their share: with each of them its first waits, then all
  for (auto guest = guests_.begin(); guest != guests_.end(); ++guest) {
    if (!guest->admission) continue;
    const std::string& key = guest->session->key_name();
    if (waiting_keys.contains(key)) continue;
    if (!places_.is_within_share(key, guest->admission->memory)) {
      waiting_keys.insert(key);
      continue;
    }
    if (!places_.has_room(guest->admission->memory)) return false;
    admit(guest);
    return true;
  }
  return false;
}

void WaitingRoom::admit(Guests::iterator which) {
  Guest guest = std::move(*which);
  guests_.erase(which);
  try {
    guest.session->send(Admitted{});
  } catch (const Error& error) {
    report(*guest.session, error.cause());
    return;
  }
  guest.admission->enter(std::move(guest.session));
}

void WaitingRoom::settle() {
  std::size_t ahead = 0;                           // who waits for a place
  std::map<std::string_view, std::size_t> behind;  // ... and of each key whose share is taken, for that
  for (Guest& guest : guests_) {
    if (!guest.admission) continue;
    const std::string& key = guest.session->key_name();
    if (!places_.is_within_share(key, guest.admission->memory)) behind.try_emplace(key, 0);
    const auto own = behind.find(key);
    const bool waits_for_share = own != behind.end();
    if (guest.deadline.passed()) {
      refuse(guest, busy(waits_for_share ? key : ""));
      continue;
    }
    if (!guest.request.waits()) continue;  // it has gone soon
    tell(guest, ahead + (waits_for_share ? own->second : 0));
    ++(waits_for_share ? own->second : ahead);
  }
}

// `key` is the one whose share is taken; empty: all places are.
Error WaitingRoom::busy(const std::string& key) const {
  std::string cause = fmt::format("the server is busy, with {} clients", places_.clients());
  if (!key.empty()) cause += fmt::format(", {} of them with key '{}'", places_.clients_of(key), key);
  return {Status::kConnectTimeout, "be admitted", cause};
}

void WaitingRoom::tell(Guest& guest, std::size_t ahead) {
  if (std::exchange(guest.told, ahead) == ahead) return;
  try {
    guest.session->send(Queued{static_cast<std::uint32_t>(ahead)});
  } catch (const Error&) {
    guest.lost = true;
  }
}

void WaitingRoom::close(const Error& why) {
  refuse_those([](const Session&) { return true; }, why);
}

void WaitingRoom::refuse_those(const std::function<bool(const Session&)>& is_meant, const Error& why) {
  for (Guest& guest : guests_) {
    if (!guest.leaving && is_meant(*guest.session)) refuse(guest, why);
  }
}

void WaitingRoom::dismiss(std::unique_ptr<Session> session, const Error& why) {
  guests_.push_back(Guest{.session = std::move(session), .deadline = Deadline::now()});
  refuse(guests_.back(), why);
}

std::size_t WaitingRoom::waiting() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(guests_, [](const Guest& guest) { return guest.admission.has_value(); }));
}

}  // namespace rdpipe
