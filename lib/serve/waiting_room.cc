#include "serve/waiting_room.h"

#include <algorithm>
#include <new>
#include <optional>
#include <utility>

#include "serve/request.h"

namespace rdpipe {
namespace {

constexpr Nanoseconds kPatience = std::chrono::seconds(10);  // for what is asked, once the key was shown
constexpr Nanoseconds kFarewell = std::chrono::seconds(2);   // for the last words to one that is refused
constexpr std::size_t kMostGuests = 1024;
// Of those in line with one key: bytes of their requests, of which sense costs ten times that, and how many.
constexpr std::size_t kMostWords = std::size_t{4} << 20;
constexpr std::size_t kMostOfOneKey = 256;
constexpr int kEventsPerTurn = 64;  // so that nobody keeps the others waiting

}  // namespace

struct WaitingRoom::Guest {
  std::unique_ptr<Session> session;
  Deadline deadline;
  RequestReader request{};
  std::optional<Admission> admission{};  // once it stands in line
  std::size_t words = 0;                 // bytes of its request
  std::optional<std::size_t> told{};     // how many are in front
  bool leaving = false;                  // refused: only its farewell is awaited
  bool lost = false;
};

WaitingRoom::WaitingRoom(Loop& loop, Judge judge, Report report)
    : loop_(loop), judge_(std::move(judge)), report_(std::move(report)) {}

WaitingRoom::~WaitingRoom() = default;

void WaitingRoom::add(std::unique_ptr<Session> session) {
  Guest& guest =
      guests_.emplace_back(Guest{.session = std::move(session), .deadline = Deadline::in(kPatience)});
  if (guests_.size() > kMostGuests) {
    refuse(guest, Error(Status::kConnectTimeout, "be admitted", "the server is overrun"));
  }
}

void WaitingRoom::poll() {
  std::erase_if(guests_, [this](Guest& guest) { return !advance(guest); });
}

bool WaitingRoom::advance(Guest& guest) {
  try {
    take_events(guest);
  } catch (const Error& error) {
    if (guest.leaving) return false;
    if (error.status() == Status::kNetwork || error.from_peer()) {
      report_(*guest.session, "it is gone: " + error.cause());
      return false;
    }
    refuse(guest, error);
  } catch (const std::bad_alloc&) {
    refuse(guest, Error(Status::kMemory, "be admitted", "out of memory"));
  }
  if (guest.lost) return false;
  if (guest.deadline.passed()) {
    if (guest.leaving) return false;
    refuse(guest, Error(Status::kTimeout, "", "it asked for nothing in time"));
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
      if (!guest.leaving) report_(*guest.session, "it went away before its turn");
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
    if (guest.request.take(*message)) judge(guest);
  }
}

void WaitingRoom::judge(Guest& guest) {
  std::size_t words = guest.request.size(), same_key = 1;
  for (const Guest& other : guests_) {
    if (!other.admission || other.session->key_name() != guest.session->key_name()) continue;
    words += other.words;
    ++same_key;
  }
  if (words > kMostWords || same_key > kMostOfOneKey) {
    throw Error(Status::kConnectTimeout, "be admitted",
                "too many wait with this key, or they ask for too much");
  }
  guest.words = guest.request.size();
  guest.admission = judge_(*guest.session, guest.request.take_words());
  guest.deadline = Deadline::never();
}

void WaitingRoom::refuse(Guest& guest, const Error& why) {
  report_(*guest.session, why.what());
  guest.leaving = true;
  guest.admission.reset();
  guest.deadline = Deadline::in(kFarewell);
  loop_.wake_now();
  try {
    guest.session->dismiss(why);
  } catch (const Error&) {
    guest.lost = true;
  }
}

const Admission* WaitingRoom::first() const {
  const auto found =
      std::ranges::find_if(guests_, [](const Guest& guest) { return guest.admission.has_value(); });
  return found == guests_.end() ? nullptr : &*found->admission;
}

void WaitingRoom::admit_first() {
  const auto found =
      std::ranges::find_if(guests_, [](const Guest& guest) { return guest.admission.has_value(); });
  Guest guest = std::move(*found);
  guests_.erase(found);
  try {
    guest.session->send(Admitted{});
  } catch (const Error& error) {
    report_(*guest.session, error.cause());
    return;
  }
  guest.admission->enter(std::move(guest.session));
}

void WaitingRoom::settle(const Error& busy) {
  std::size_t ahead = 0;
  for (Guest& guest : guests_) {
    if (!guest.admission) continue;
    if (!guest.request.waits()) {
      refuse(guest, busy);
      continue;
    }
    if (std::exchange(guest.told, ahead) != ahead) {
      try {
        guest.session->send(Queued{static_cast<std::uint32_t>(ahead)});
      } catch (const Error&) {
        guest.lost = true;
      }
    }
    ++ahead;
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
