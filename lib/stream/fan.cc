#include "stream/fan.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace rdpipe {
namespace {

constexpr Nanoseconds kLastWords = std::chrono::seconds(2);
constexpr Nanoseconds kSayEvery = std::chrono::milliseconds(200);  // to those who wait for others

}  // namespace

Fan::Fan(Loop& loop, Trunk& trunk, std::vector<std::string> names, Rules rules)
    : loop_(loop),
      trunk_(trunk),
      rules_(std::move(rules)),
      receivers_(names.size()),
      teller_(std::exchange(rules_.stream.progress, {})),
      last_look_(Clock::now()) {
  for (std::size_t i = 0; i < names.size(); ++i) receivers_[i].outcome.name = std::move(names[i]);
  rules_.stream.hash.clear();
  rules_.stream.root = [&trunk] { return trunk.root(); };
  rules_.stream.shares_loop = true;
}

Fan::~Fan() = default;

void Fan::join(std::size_t index, std::unique_ptr<Session> session) {
  Receiver& receiver = receivers_[index];
  receiver.session = std::move(session);
  receiver.outcome.progress = progress_of(*receiver.session);
  receiver.outcome.compressed = receiver.session->terms().compressions != 0;
}

void Fan::start(std::size_t index, std::unique_ptr<Ring> headers, bool copies) {
  Receiver& receiver = receivers_[index];
  receiver.headers = std::move(headers);
  receiver.copies = copies;
  receiver.branch = std::make_unique<Branch>(trunk_, copies);
  receiver.sending =
      std::make_unique<Sending>(loop_, *receiver.session, *receiver.headers, *receiver.branch, rules_.stream);
  receiver.state = State::kSending;
}

std::vector<Session*> Fan::sessions() {
  std::vector<Session*> sessions;
  for (const Receiver& receiver : receivers_) {
    if (receiver.state == State::kSending) sessions.push_back(receiver.session.get());
  }
  return sessions;
}

std::vector<Link*> Fan::reaching_links() {
  std::vector<Link*> links;
  for (const Receiver& receiver : receivers_) {
    if (receiver.state != State::kSending || receiver.sending->alters()) continue;
    links.push_back(&receiver.session->link());
  }
  return links;
}

std::size_t Fan::max_payload() const {
  std::size_t size = SIZE_MAX;
  for (const Receiver& receiver : receivers_) {
    if (receiver.state != State::kSending) continue;
    size = std::min(size, receiver.session->terms().slot_size);
    const bool copies = receiver.copies || receiver.sending->alters();
    if (copies) size = std::min(size, receiver.headers->shape().slot_size);
  }
  return size;
}

void Fan::begin(std::size_t share) {
  for (const Receiver& receiver : receivers_) {
    if (receiver.state != State::kSending) continue;
    if (!receiver.sending->alters()) receiver.branch->limit(share + 1);  // and one that waits for a hole
  }
}

void Fan::turn() {
  wake_ = Deadline::never();
  trunk_.attend();
  bool busy = false;
  for (Receiver& receiver : receivers_) busy = step(receiver) || busy;
  trunk_.read_ahead(anybody_waits());
  note_hold_ups();
  require_enough();
  keep_waiting();
  tell_progress();
  if (busy || std::ranges::any_of(receivers_, can_go_on)) {
    loop_.poll();  // the links have work; a signal must be seen all the same
  } else if (!over()) {
    loop_.wait(wake_);
  }
}

// What one of them throws is its own failure.
bool Fan::step(Receiver& receiver) {
  try {
    if (receiver.state == State::kLeaving) see_off(receiver);
    if (receiver.state != State::kSending) return false;
    const bool busy = receiver.sending->step();
    if (receiver.sending->committed()) conclude(receiver);
    if (receiver.sending) wake_by(receiver.sending->due());
    return busy;
  } catch (const Error& error) {
    if (is_of_source(receiver, error)) {
      throw Error(error.status(), "read from " + trunk_.source().name(), error.cause(), error.hint());
    }
    fail(receiver, error);
    return false;
  }
}

// Nothing has come for so long, to send to a receiver that has had all there was.
bool Fan::is_of_source(const Receiver& receiver, const Error& error) const {
  return trunk_.started() && waits(receiver) && error.status() == Status::kTimeout && !error.from_peer();
}

void Fan::conclude(Receiver& receiver) {
  receiver.outcome.progress = receiver.sending->progress();
  receiver.outcome.result = receiver.sending->finish();
  leave(receiver);
  receiver.session->close();
  see_off(receiver);
}

void Fan::leave(Receiver& receiver) {
  receiver.sending.reset();
  receiver.branch.reset();
  receiver.state = State::kLeaving;
  receiver.leaves = Deadline::in(kLastWords);
}

// It is gone when both ends have said all; or when that takes too long: its outcome is known.
void Fan::see_off(Receiver& receiver) {
  bool gone = receiver.leaves.passed();
  try {
    Link& link = receiver.session->link();
    int events = 0;
    while (link.poll() && ++events < kEventsPerTurn) {
    }
    if (events == kEventsPerTurn) loop_.wake_now();
    gone = gone || (link.peer_closed() && link.drained());
  } catch (const Error&) {
    gone = true;
  }
  if (!gone) return wake_by(receiver.leaves);
  receiver.session.reset();
  receiver.headers.reset();
  receiver.state = State::kGone;
}

void Fan::fail(std::size_t index, const Error& error) { fail(receivers_[index], error); }

void Fan::fail(Receiver& receiver, const Error& error) {
  if (receiver.outcome.result || receiver.outcome.error) return;
  receiver.outcome.error = error;
  if (receiver.sending) receiver.outcome.progress = receiver.sending->progress();
  leave(receiver);
  loop_.wake_now();  // what it held may be what others wait for
  if (!receiver.session) {
    receiver.state = State::kGone;
  } else {
    try {
      receiver.session->dismiss(error);
    } catch (const Error&) {
      receiver.leaves = Deadline::now();  // it cannot be told
    }
    see_off(receiver);
  }
  const auto index = static_cast<std::size_t>(&receiver - receivers_.data());
  if (!first_failed_) first_failed_ = index;
  if (rules_.failed) rules_.failed(index);
}

void Fan::require_enough() const {
  const auto able = static_cast<std::size_t>(
      std::ranges::count_if(receivers_, [](const Receiver& receiver) { return !receiver.outcome.error; }));
  if (able >= rules_.least) return;
  const Outcome& first = receivers_[first_failed_.value()].outcome;
  throw Error(
      first.error->status(), fmt::format("send to {} receivers", receivers_.size()),
      fmt::format("{} can commit and {} must: {}: {}", able, rules_.least, first.name, first.error->what()),
      first.error->hint());
}

bool Fan::over() const {
  return std::ranges::all_of(receivers_,
                             [](const Receiver& receiver) { return receiver.state == State::kGone; });
}

bool Fan::decided() const {
  return std::ranges::all_of(
      receivers_, [](const Receiver& receiver) { return receiver.outcome.result || receiver.outcome.error; });
}

void Fan::give_up(const Error& error) noexcept {
  try {
    for (Receiver& receiver : receivers_) {
      receiver.outcome.given_up = !receiver.outcome.result && !receiver.outcome.error;
      fail(receiver, error);
    }
    while (!over()) {
      wake_ = Deadline::never();
      for (Receiver& receiver : receivers_) {
        if (receiver.state == State::kLeaving) see_off(receiver);
      }
      if (!over()) loop_.wait(wake_);
    }
  } catch (...) {  // NOLINT(bugprone-empty-catch): the first failure is the one to report
  }
}

// It has taken and passed on all that was read, and would do so with more at once.
bool Fan::waits(const Receiver& receiver) {
  return receiver.state == State::kSending && receiver.branch->is_level() && receiver.branch->has_slot() &&
         receiver.sending->may_take() && receiver.sending->line_is_idle();
}

// It has pieces before it, or on their way, which are kept for it.
bool Fan::is_behind(const Receiver& receiver) {
  return receiver.state == State::kSending && !waits(receiver) &&
         (!receiver.branch->is_level() || receiver.sending->held() > 0);
}

// Since it had its turn there is something for it to send.
bool Fan::can_go_on(const Receiver& receiver) {
  return receiver.state == State::kSending && receiver.branch->has_more() && receiver.sending->may_take();
}

// Whoever is behind while others wait for room holds them up; and until it has caught up, each such time
// counts.
void Fan::note_hold_ups() {
  const auto now = Clock::now();
  const Nanoseconds since = now - std::exchange(last_look_, now);
  const bool held_up = trunk_.is_full() && anybody_waits();
  for (Receiver& receiver : receivers_) {
    if (receiver.state != State::kSending) continue;
    if (receiver.holds_up) receiver.held_up += since;
    const bool behind = is_behind(receiver);
    if (!behind) receiver.held_up = Nanoseconds(0);
    receiver.holds_up = held_up && behind;
    if (rules_.drop_slow.count() == 0 || !receiver.holds_up) continue;
    if (receiver.held_up < rules_.drop_slow) {
      wake_by(Deadline::at(now + rules_.drop_slow - receiver.held_up));
      continue;
    }
    const double seconds = std::chrono::duration<double>(rules_.drop_slow).count();
    fail(receiver, Error(Status::kTimeout, "send to " + receiver.outcome.name,
                         fmt::format("it held up the others for {:g} s", seconds)));
  }
}

// Those who wait for others, to come or to get on, or for a source that works, hear that this is no
// standstill; nobody else does, in whom alone it is that nothing moves.
void Fan::keep_waiting() {
  const std::uint64_t taken = trunk_.taken();
  const bool works = std::exchange(taken_, taken) != taken;
  const bool held_up = (!trunk_.started() || trunk_.is_full()) && anybody_waits();
  if (!works && !held_up) return;
  for (const Receiver& receiver : receivers_) {
    if (waits(receiver)) receiver.branch->stir();
  }
  if (held_up) wake_by(Deadline::in(kSayEvery));
}

// That of the slowest: it is what all have.
void Fan::tell_progress() {
  if (!trunk_.started() || decided()) return;
  if (!teller_.due().passed()) return wake_by(teller_.due());
  std::optional<StreamProgress> slowest;
  bool ended = true;
  for (const Receiver& receiver : receivers_) {
    if (receiver.state != State::kSending) continue;
    StreamProgress one = receiver.sending->progress();
    ended = ended && one.ended;
    if (!slowest || one.bytes < slowest->bytes) slowest = std::move(one);
  }
  if (!slowest) return;
  slowest->ended = ended;
  slowest->buffer = trunk_.fill();
  teller_.tell(*slowest);
  wake_by(teller_.due());
}

}  // namespace rdpipe
