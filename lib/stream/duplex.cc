// What drives a duplex: its calls, and the loop in which each of them waits.
#include "stream/duplex.h"

#include <algorithm>
#include <utility>

#include "ground/error.h"

namespace rdpipe {
namespace {

// How long close() waits for the peer to close the connection too, when all has been said.
constexpr Nanoseconds kFarewell = std::chrono::seconds(2);
// Before it is looked at the clock, and whether the connection still stands: both may cost more than to ask
// the link.
constexpr unsigned kSpinsInARow = 64;

}  // namespace

Duplex::Duplex(Loop& loop, Session& session, Ring& sending, Ring& receiving, Nanoseconds busy_poll)
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

// The peer is told why, as far as that needs no waiting.
void Duplex::fail(const Error& error) {
  failure_ = error;
  if (error.status() == Status::kNetwork || parted_) return;
  try {
    session_.dismiss(error);
    static_cast<void>(link().poll());
  } catch (const Error&) {  // NOLINT(bugprone-empty-catch): the first failure is the one to report
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
  while (taken < from.size() && await([&] { return can_post(); }, deadline)) {
    Slot slot = *sending_.acquire();
    const auto part = from.subspan(taken, std::min(most, from.size() - taken));
    std::copy(part.begin(), part.end(), slot.payload().begin());
    slot.resize(part.size());
    frame(std::move(slot));
    taken += part.size();
  }
  static_cast<void>(await([&] { return ready_.empty() && !link().held_back(); }, deadline));
  return taken;
}

bool Duplex::sync(Deadline deadline) {
  require(!lent_, "sync a stream", "a slot of it was not committed");
  wanted_ = written_;
  return await([&] { return confirmed_ >= wanted_; }, deadline);
}

void Duplex::shut_down() {
  require(!lent_, "end a stream", "a slot of it was not committed");
  if (std::exchange(shut_, true)) return;
  static_cast<void>(advance());
}

Duplex::Closing Duplex::close(Deadline deadline) {
  if (closed_) return Closing::kDone;
  try {
    shut_down();
    if (!await([&] { return is_over() || !pieces_.empty(); }, deadline)) return Closing::kLate;
    if (!is_over()) return Closing::kUnread;
    // A peer that has closed has everything: it waits for our last word, or is gone for good.
    const Deadline patience = deadline.earlier(Deadline::in(kFarewell));
    const bool left = await([&] { return link().peer_closed(); }, patience);
    if (!left && !await([&] { return link().peer_closed() || link().drained(); }, deadline)) {
      return Closing::kLate;
    }
  } catch (const Error&) {
    if (!end_confirmed_) throw;  // otherwise the peer has everything, and has gone
  }
  closed_ = true;
  return Closing::kDone;
}

unsigned Duplex::wait(unsigned events, Deadline deadline) {
  unsigned possible = 0;
  const auto ready = [&] {
    if (!pieces_.empty() || at_end()) possible |= kReadable;
    if (!shut_ && can_post()) possible |= kWritable;
    return (possible & events) != 0;
  };
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
  if (link().held_back()) static_cast<void>(advance());
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
  for (;;) {
    if (ready()) return true;
    if (failure_) throw *failure_;
    bool something = false;
    quietly([&] { something = advance(); });
    if (ready()) return true;
    if (failure_) throw *failure_;
    if (deadline.passed()) return false;
    if (!something) quietly([&] { sleep(deadline); });
  }
}

bool Duplex::advance() {
  if (failure_) throw *failure_;
  try {
    take_messages();  // what came together with the offer
    bool something = take_events();
    post_ready();
    answer();
    if (link().held_back()) something |= take_events();  // it goes out now
    if (is_over() && !std::exchange(parted_, true)) link().close();
    return something;
  } catch (const Error& error) {
    fail(error);
    throw;
  }
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
  for (int i = 0; i < kEventsPerTurn; ++i) {
    auto event = link().poll();
    if (!event) return something;
    take(std::move(*event));
    something = true;
  }
  return something;
}

void Duplex::take(LinkEvent event) {
  if (auto* received = std::get_if<Received>(&event)) {
    take_frame(std::move(*received));
  } else if (const auto* control = std::get_if<Control>(&event)) {
    session_.receive(*control);
    take_messages();
  } else if (std::holds_alternative<PeerClosed>(event) && !is_over()) {
    throw error(Status::kNetwork, "the other end went away");
  }  // a slot that was sent goes home
}

void Duplex::sleep(Deadline deadline) {
  if (busy_poll_.count() > 0 && spin(deadline)) return;
  // That something was sent is of interest only where it makes room, or is waited for.
  const bool has_room = sending_.free_slots() > 0 && link().send_credits() > 0 && !link().held_back();
  link().wake_for(has_room && !parted_ ? Wake::kArrivals : Wake::kAll);
  if (!advance()) loop_.wait(deadline);
  link().wake_for(Wake::kNever);
}

// True when something has happened.
bool Duplex::spin(Deadline deadline) try {
  const Deadline until = Deadline::in(busy_poll_).earlier(deadline);
  for (;;) {
    for (unsigned spins = 0; spins < kSpinsInARow; ++spins) {
      if (take_events()) return true;
    }
    if (until.passed()) return false;
    loop_.poll();
  }
} catch (const Error& error) {
  fail(error);
  throw;
}

}  // namespace rdpipe
