// What drives a duplex: its calls, and the loop in which each of them waits.
#include "stream/duplex.h"

#include <algorithm>
#include <utility>

#include "ground/error.h"
#include "stream/wrapping.h"

namespace rdpipe {
namespace {

// How long close() waits for the peer to close the connection too, when all has been said.
constexpr Nanoseconds kFarewell = std::chrono::seconds(2);
// Looks at the link for each at the clock, and rows of these for each at what is armed (whether the
// connection still stands), which costs more than many looks.
constexpr unsigned kLooksInARow = 64, kRowsOnTheLink = 64;

}  // namespace

Duplex::Duplex(Loop& loop, Session& session, Ring& sending, Ring& receiving,
               std::optional<Nanoseconds> busy_poll)
    : loop_(loop),
      session_(session),
      sending_(sending),
      busy_poll_(busy_poll),
      stamps_frames_(has_frame_digests(session.terms())) {
  if (session.terms().sealed) {
    sealer_.emplace(session.sending_key());
    opener_.emplace(session.receiving_key());
  }
  link().wake_for(Wake::kNever);
  while (auto slot = receiving.acquire()) link().post_receive(std::move(*slot));
  settle();  // so that the peer hears of them
}

Error Duplex::error(Status status, const std::string& cause) const {
  return Error(status, "stream with " + session_.terms().peer_host, cause);
}

void Duplex::require(bool allowed, const char* attempt, const char* cause) const {
  if (!allowed) throw Error(Status::kUsage, attempt, cause);
}

// The first failure is the one to report. The peer is told why, as far as that needs no waiting.
void Duplex::fail(const Error& error) noexcept {
  if (failure_) return;
  try {
    failure_ = error;
    if (error.status() == Status::kNetwork || parted_) return;
    session_.dismiss(error);
    static_cast<void>(link().poll());
  } catch (const std::exception&) {
    if (!failure_) failure_.emplace(Status::kMemory, "", "out of memory");
  }
}

std::optional<std::size_t> Duplex::read(std::span<std::byte> into, Deadline deadline) {
  require(!into.empty(), "read from a stream", "there is no room to read into");
  require(!piece_is_lent_, "read from a stream", "a slot of it was not released");
  if (!await([&] { return !pieces_.empty() || at_end(); }, deadline)) return {};
  std::size_t taken = 0;
  while (taken < into.size() && !pieces_.empty()) {
    const auto rest = pieces_.front().rest();
    const std::size_t count = std::min(rest.size(), into.size() - taken);
    std::copy_n(rest.begin(), count, into.begin() + static_cast<std::ptrdiff_t>(taken));
    taken += count;
    consume(count);
  }
  settle();
  return taken;
}

std::size_t Duplex::write(std::span<const std::byte> from, Deadline deadline) {
  require(!shut_, "write to a stream", "its end was said already");
  require(!lent_, "write to a stream", "a slot of it was not committed");
  const std::size_t most = session_.terms().slot_size;
  std::size_t taken = 0;
  // When the time is up, what there is room for still goes, a ring at most: not what room is made for.
  const auto has_room = [&] {
    return taken > 0 && deadline.passed() ? can_post() : await([&] { return can_post(); }, deadline);
  };
  while (taken < from.size() && has_room()) {
    Slot slot = *sending_.acquire();
    const auto part = from.subspan(taken, std::min(most, from.size() - taken));
    std::copy(part.begin(), part.end(), slot.payload().begin());
    slot.resize(part.size());
    frame(std::move(slot));
    taken += part.size();
  }
  catch_up();
  static_cast<void>(await([&] { return ready_.empty() && !link().held_back(); }, deadline));
  return taken;
}

bool Duplex::sync(Deadline deadline) {
  require(!lent_, "sync a stream", "a slot of it was not committed");
  wanted_ = written_;
  catch_up();
  return await([&] { return confirmed_ >= wanted_; }, deadline);
}

void Duplex::shut_down() {
  require(!lent_, "end a stream", "a slot of it was not committed");
  if (failure_) throw *failure_;
  if (std::exchange(shut_, true)) return;
  static_cast<void>(advance());
}

Duplex::Closing Duplex::close(Deadline deadline) {
  if (closed_) return Closing::kDone;
  try {
    if (!shut_) shut_down();
    if (!await([&] { return is_over() || !pieces_.empty(); }, deadline)) return Closing::kLate;
    if (!is_over()) return Closing::kUnread;
    // A peer that has closed has everything: it waits for our last word, or is gone for good.
    const Deadline patience = deadline.earlier(Deadline::in(kFarewell));
    const bool left = await([&] { return link().peer_closed(); }, patience);
    if (!left && !await([&] { return link().peer_closed() || link().drained(); }, deadline)) {
      return Closing::kLate;
    }
  } catch (const Error& error) {
    const bool is_lost = error.status() == Status::kNetwork && !error.from_peer();
    if (!is_lost || !end_confirmed_) throw;  // otherwise the peer has everything, and has gone
  }
  closed_ = true;
  return Closing::kDone;
}

unsigned Duplex::wait(unsigned events, Deadline deadline) {
  require(!shut_ || events != kWritable, "wait for a stream", "its end was said already");
  unsigned possible = 0;
  const auto ready = [&] {
    possible = 0;
    if (!pieces_.empty() || at_end()) possible |= kReadable;
    if (!shut_ && can_post()) possible |= kWritable;
    return (possible & events) != 0;
  };
  if (ready() && (possible & events) != events) look();  // the one must not hide the other
  static_cast<void>(await(ready, deadline));
  return possible & events;
}

std::span<std::byte> Duplex::write_slot(Deadline deadline) {
  require(!shut_, "write to a stream", "its end was said already");
  require(!lent_, "write to a stream", "a slot of it was not committed");
  if (!await([&] { return can_post(); }, deadline)) return {};
  lent_ = sending_.acquire();
  return lent_->payload().first(session_.terms().slot_size);
}

void Duplex::commit(std::size_t length) {
  require(lent_.has_value(), "commit a slot", "none was handed out");
  require(length <= session_.terms().slot_size, "commit a slot", "it is not as large");
  Slot slot = std::move(*lent_);
  lent_.reset();
  if (length == 0) return;
  slot.resize(length);
  frame(std::move(slot));
  catch_up();
}

std::optional<std::span<const std::byte>> Duplex::read_slot(Deadline deadline) {
  require(!piece_is_lent_, "read from a stream", "a slot of it was not released");
  if (!await([&] { return !pieces_.empty() || at_end(); }, deadline)) return {};
  if (pieces_.empty()) return std::span<const std::byte>();
  piece_is_lent_ = true;
  return pieces_.front().rest();
}

void Duplex::release() {
  require(std::exchange(piece_is_lent_, false), "release a slot", "none was handed out");
  consume(pieces_.front().rest().size());
  settle();
}

// False when the deadline has passed. What had come before a failure still counts.
template <typename Ready>
bool Duplex::await(Ready ready, Deadline deadline) {
  for (bool is_last = false, has_spun = false;;) {
    if (ready()) return true;
    if (failure_) throw *failure_;
    if (is_last) return false;
    is_last = deadline.passed();
    quietly([&] {
      if (is_last) {
        look();
      } else if (!advance() && !ready()) {
        // What is held back over TCP gets room in the loop alone.
        const bool spins = !has_spun && !link().held_back();
        has_spun |= spins;
        if (!spins || !spin(ready, deadline)) sleep(ready, deadline);
      }
    });
  }
}

bool Duplex::advance() {
  if (failure_) throw *failure_;
  return or_fail([&] {
    if (!std::exchange(greeted_, true)) take_messages();
    bool something = take_events();
    post_ready();
    answer();
    if (link().held_back()) something |= take_events();  // it goes out now
    if (is_over() && !std::exchange(parted_, true)) link().close();
    return something;
  });
}

// What a call does also where it need not wait: a program that makes any calls at all answers its peer, and
// has its link look at the clock.
void Duplex::catch_up() {
  quietly([&] {
    link().wake_for(Wake::kNever);
    static_cast<void>(advance());
  });
}

// The same, once what is armed was looked at: whether there is room again, and the connection still stands.
// Programs that never wait see it here.
void Duplex::look() {
  quietly([&] { loop_.poll(); });
  catch_up();
}

// After something was consumed: what the peer is to hear of it goes out now, as nobody knows when the next
// call comes.
void Duplex::settle() {
  quietly([&] {
    answer();
    if (link().held_back() || is_over()) static_cast<void>(advance());
  });
}

bool Duplex::take_events() {
  bool something = false;
  for (int i = 0; i < kEventsPerTurn && take_event(); ++i) something = true;
  return something;
}

bool Duplex::take_event() {
  auto event = link().poll();
  if (event) take(*event);
  return event.has_value();
}

void Duplex::take(LinkEvent& event) {
  if (parted_) return;  // all has been said, and nothing can be answered
  if (auto* received = std::get_if<Received>(&event)) {
    take_frame(*received);
  } else if (const auto* control = std::get_if<Control>(&event)) {
    session_.receive(*control);
    take_messages();
  } else if (std::holds_alternative<PeerClosed>(event) && !is_over()) {
    throw error(Status::kNetwork, "the other end went away");
  }  // a slot that was sent goes home
}

// That something was sent is of interest only where it makes room, or is waited for.
Wake Duplex::worth_waking_for() const {
  const bool has_room = sending_.free_slots() > 0 && link().send_credits() > 0 && !link().held_back();
  return has_room && !parted_ ? Wake::kArrivals : Wake::kAll;
}

// No event tells of credits, or that a control frame was sent: so the last look is at what they make
// possible.
template <typename Ready>
void Duplex::sleep(Ready ready, Deadline deadline) {
  const Wake what = worth_waking_for();
  link().wake_for(what);
  if (!advance() && !ready() && worth_waking_for() == what) loop_.wait(deadline);
  link().wake_for(Wake::kNever);
}

// Before the first sleep of a wait; true when that is over. What came with it can go on in the next call, but
// not what the peer is to hear.
template <typename Ready>
bool Duplex::spin(Ready ready, Deadline deadline) {
  const bool found = busy_poll_.find(
      deadline, [&](Nanoseconds time) { return spin_until(ready, Deadline::in(time).earlier(deadline)); });
  if (found) settle();
  return found;
}

template <typename Ready>
bool Duplex::spin_until(Ready ready, Deadline until) {
  for (unsigned rows = 1;; ++rows) {
    for (unsigned looks = 0; looks < kLooksInARow; ++looks) {
      static_cast<void>(take_event());
      answer();
      if (ready()) return true;
      post_ready();
      if (ready()) return true;
    }
    if (until.passed()) return false;
    if (rows % kRowsOnTheLink == 0 || link().held_back()) look();
    if (failure_ || ready()) return true;
  }
}

}  // namespace rdpipe
