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
  receiver.leaves = Deadline::in(kLastWords);
  leave(receiver);
  receiver.session->close();
  see_off(receiver);
}

void Fan::leave(Receiver& receiver) {
  receiver.asked.reset();
  receiver.sending.reset();
  receiver.branch.reset();
  receiver.state = State::kLeaving;
}

// To give it up may have come too late: what was seen of it before counts, and then it answers with
// COMMITTED, or closes.
void Fan::ask(Receiver& receiver, const Error& error) {
  receiver.asked = error;
  receiver.state = State::kLeaving;
  await_answer(receiver, false);
  if (!receiver.asked) return;
  say(receiver, [&] { receiver.session->tell(error); });
}

void Fan::await_answer(Receiver& receiver, bool is_told) {
  Sending& sending = *receiver.sending;
  std::optional<Error> failure;
  try {
    sending.take_events();
    if (!sending.committed() && !receiver.leaves.passed()) return wake_by(receiver.leaves);
  } catch (const Error& error) {
    failure = error;
  }
  if (sending.committed()) {
    receiver.outcome.result = sending.finish();
    receiver.outcome.given_up = false;
    leave(receiver);
  } else if (failure && failure->from_peer()) {  // one of its own
    receiver.outcome.given_up = false;
    settle(receiver, *failure, false);
  } else {
    const bool is_answer = is_told && receiver.session->link().peer_closed();
    settle(receiver, Error(*receiver.asked), !is_answer);
  }
  say(receiver, [&receiver] { receiver.session->close(); });
}

// It is gone when both ends have said all; or when that takes too long: its outcome is known.
void Fan::see_off(Receiver& receiver) {
  if (receiver.asked) await_answer(receiver, true);
  if (receiver.asked) return;
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
  if (is_decided(receiver) || receiver.asked) return;
  receiver.leaves = Deadline::in(kLastWords);
  loop_.wake_now();  // what it held may be what others wait for
  if (receiver.sending) receiver.outcome.progress = receiver.sending->progress();
  if (may_answer(receiver, error)) {
    ask(receiver, error);
  } else {
    const bool ended = receiver.sending && receiver.sending->awaits_verdict();
    if (receiver.session) say(receiver, [&] { receiver.session->dismiss(error); });
    settle(receiver, error, ended && !error.from_peer());
  }
  if (receiver.session) {
    see_off(receiver);
  } else {
    receiver.state = State::kGone;
  }
}

// Not where the link is lost.
bool Fan::may_answer(const Receiver& receiver, const Error& error) {
  if (!receiver.sending || !receiver.sending->awaits_verdict() || error.from_peer()) return false;
  return receiver.outcome.given_up || error.status() == Status::kTimeout;
}

template <typename Say>
void Fan::say(Receiver& receiver, Say words) {
  try {
    words();
  } catch (const Error&) {
    receiver.leaves = Deadline::now();
  }
}

// `unknown`: it may have committed all the same.
void Fan::settle(Receiver& receiver, const Error& error, bool unknown) {
  const bool is_said = error.status() == Status::kNetwork && !receiver.asked;  // by whoever has lost it
  receiver.outcome.error = unknown && !is_said ? unconfirmed(error) : error;
  receiver.outcome.unknown = unknown;
  leave(receiver);
  const auto index = static_cast<std::size_t>(&receiver - receivers_.data());
  if (!first_failed_) first_failed_ = index;
  if (rules_.failed) rules_.failed(index);
}

void Fan::require_enough() const {
  const auto able = static_cast<std::size_t>(
      std::ranges::count_if(receivers_, [](const Receiver& receiver) { return !receiver.outcome.error; }));
  if (able >= rules_.least) return;
  const Outcome& first = receivers_[first_failed_.value()].outcome;
  const std::string why = first.error->what();
  const std::string name = why.find(first.name) == std::string::npos ? first.name + ": " : "";
  throw Error(first.error->status(), fmt::format("send to {} receivers", receivers_.size()),
              fmt::format("{} can commit and {} must: {}{}", able, rules_.least, name, why),
              first.error->hint());
}

bool Fan::over() const {
  return std::ranges::all_of(receivers_,
                             [](const Receiver& receiver) { return receiver.state == State::kGone; });
}

bool Fan::decided() const { return std::ranges::all_of(receivers_, is_decided); }

void Fan::give_up(const Error& error) noexcept {
  try {
    loop_.poll();  // what has come by now is seen
  } catch (...) {  // NOLINT(bugprone-empty-catch): the first failure is the one to report
  }
  try {
    for (Receiver& receiver : receivers_) {
      if (!is_decided(receiver) && !receiver.asked) receiver.outcome.given_up = true;
    }
    for (Receiver& receiver : receivers_) {
      if (receiver.outcome.given_up) fail(receiver, error);
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
  for (Receiver& receiver : receivers_) {  // where the wait was cut short
    try {
      const bool ended = receiver.sending && receiver.sending->awaits_verdict();
      if (!is_decided(receiver)) settle(receiver, Error(receiver.asked.value_or(error)), ended);
    } catch (...) {  // NOLINT(bugprone-empty-catch): the same
    }
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
