#include "stream/send.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "wire/frame.h"

namespace rdpipe {

StreamResult send_stream(Loop& loop, Session& session, Ring& ring, Source& source,
                         const StreamOptions& options) {
  Sending sending(loop, session, ring, source, options);
  while (!sending.committed()) sending.turn();
  return sending.finish();
}

Sending::Sending(Loop& loop, Session& session, Ring& ring, Source& source, const StreamOptions& options)
    : loop_(loop),
      session_(session),
      ring_(ring),
      source_(source),
      digests_(session.terms(), options),
      choice_(options.compression.use, session.terms().compressions),
      wrapper_(session, options.compression),
      spare_(ring.acquire()),
      clock_(options.stall_limit),
      teller_(options.progress),
      shares_loop_(options.shares_loop) {
  if (wrapper_.takes_long()) {
    lane_.emplace(loop, [&wrapper = wrapper_](Slot& slot, std::uint64_t) { wrapper.wrap(slot); });
  }
  if (wrapper_.uses_leaves() || digests_.computes_root()) ring.expect_leaves();
  source.start(loop, ring, session.terms().slot_size);
}

Error unconfirmed(const Error& error) {
  return {error.status(), error.attempt(),
          error.cause() + " before the other end confirmed: whether it has the data is unknown",
          error.hint()};
}

void Sending::turn() try {
  if (step()) {
    loop_.poll();  // the link has work; a signal must be seen all the same
  } else if (!committed_) {
    loop_.wait(due());
  }
} catch (const Error& error) {
  const bool is_said = error.from_peer() || error.status() == Status::kNetwork;
  if (is_said || !awaits_verdict()) throw;
  throw_unconfirmed(error);
}

// The other end hears the plain failure: it knows better what it has.
void Sending::throw_unconfirmed(const Error& error) {
  try {
    session_.dismiss(error);
  } catch (const Error&) {  // NOLINT(bugprone-empty-catch): the first failure is the one to report
  }
  throw unconfirmed(error);
}

bool Sending::step() {
  take_events();
  if (committed_) return false;
  note_credits();
  note_jobs();
  if (work_.is_news(own_steps_ + source_.taken(), clock_)) session_.send(Working{});
  const bool busy = advance();
  if (teller_.due().passed()) tell_progress();
  if (!busy) clock_.throw_if_stalled(session_.terms().peer_host);
  return busy;
}

void Sending::note_credits() {
  const std::size_t credits = session_.link().send_credits();
  if (std::exchange(credits_, credits) >= credits) return;
  clock_.stirred();  // the receiver has room again
  ++taken_;
}

void Sending::note_jobs() {
  const std::uint64_t steps = loop_.job_steps();
  const std::uint64_t more = steps - std::exchange(job_steps_, steps);
  if (!shares_loop_ || (lane_ && !lane_->empty())) own_steps_ += more;
}

void Sending::tell_progress() {
  StreamProgress told = progress();
  const std::size_t empty = ring_.free_slots() + source_.empty_slots() + (spare_ ? 1U : 0U);
  const RingShape shape = ring_.shape();
  told.buffer = source_.buffer().value_or(BufferFill{
      shape.payload_bytes() - std::min(empty, shape.slots) * shape.slot_size, shape.payload_bytes()});
  teller_.tell(told);
}

StreamProgress Sending::progress() const {
  StreamProgress progress = progress_of(session_);
  progress.bytes = offset_;
  progress.elapsed = clock_.elapsed();
  progress.ended = end_posted_;
  return progress;
}

void Sending::take_events() {
  take_messages();  // what came together with the offer
  for (int i = 0; i < kEventsPerTurn; ++i) {
    if (committed_) return;
    auto event = next_event();
    if (!event) return;
    if (auto* sent = std::get_if<Sent>(&*event)) {
      take(std::move(*sent));
    } else if (const auto* control = std::get_if<Control>(&*event)) {
      session_.receive(*control);
      take_messages();
    } else if (std::holds_alternative<PeerClosed>(*event)) {
      throw Error(Status::kNetwork, "send to " + session_.terms().peer_host,
                  end_posted_
                      ? "the other end went away before it confirmed: whether it has the data is unknown"
                      : "the other end went away");
    } else {
      throw Error(Status::kDamaged, "send to " + session_.terms().peer_host, "data from a receiver");
    }
  }
  loop_.wake_now();  // there may be more: next turn
}

void Sending::take(Sent sent) {
  --in_flight_;
  ++taken_;
  clock_.moved();
  if (spare_) return;
  spare_ = std::move(sent.slot);
  spare_->resize(0);
  spare_->own();  // what it has borrowed goes home
}

std::optional<LinkEvent> Sending::next_event() {
  try {
    return session_.link().poll();
  } catch (const Error& error) {
    if (error.status() != Status::kNetwork || !end_posted_) throw;
    throw unconfirmed(error);
  }
}

void Sending::take_messages() {
  while (!committed_) {
    const auto message = session_.next();
    if (!message) return;
    take(*message);
  }
}

void Sending::take(const Message& message) {
  if (const auto* note = std::get_if<Note>(&message)) {
    clock_.moved();
    return source_.note(note->bytes);
  }
  if (std::holds_alternative<Working>(message)) {
    ++taken_;
    return clock_.stirred();
  }
  const auto* verdict = std::get_if<Committed>(&message);
  if (verdict == nullptr || !end_posted_ || verdict->length != offset_) {
    throw Error(Status::kDamaged, "send to " + session_.terms().peer_host, "a message out of turn");
  }
  elapsed_ = clock_.elapsed();
  committed_ = true;
}

// What is framed goes at once, and the link gets its turn every now and then: it moves the one while the next
// is digested.
bool Sending::advance() {
  constexpr std::size_t kEnough = 512_KiB;  // two frames of the usual size over TCP, one over RDMA
  const std::uint64_t begin = offset_;
  if (!source_ended_) source_.attend();
  bool posted = post_ready();
  bool more = true;
  while (more && offset_ - begin < kEnough) {
    more = frame_next();
    if (post_ready()) posted = true;
  }
  if (posted) work_.told();
  if (!more && !source_ended_) source_.read_ahead();
  return post_end() || posted || more;
}

// False: there is nothing to frame, or no credit for it.
bool Sending::frame_next() {
  if (source_ended_ || queued_ >= session_.link().send_credits()) return false;
  if (hole_) return frame_hole();
  auto event = source_.poll(line_is_idle());
  if (!event) {
    if (line_is_idle()) choice_.starved();
    return false;
  }
  clock_.moved();
  if (auto* filled = std::get_if<Filled>(&*event)) {
    digests_.add(filled->slot.filled(), filled->leaves);
    const std::size_t length = filled->slot.size();
    data_bytes_ += length;
    frame(std::move(filled->slot), FrameKind::kData, length, filled->leaves);
  } else if (const auto* hole = std::get_if<Hole>(&*event)) {
    hole_ = *hole;
  } else {
    source_ended_ = true;
  }
  return true;
}

bool Sending::frame_hole() {
  if (!spare_) return false;  // it is on its way, and comes back with Sent
  const std::uint64_t length = std::min(hole_->length, kMaxHoleLength);
  digests_.add_zeros(length);
  Slot carrier = std::move(*spare_);
  spare_.reset();
  carrier.resize(0);
  frame(std::move(carrier), FrameKind::kHole, length);
  hole_->length -= length;
  if (hole_->length == 0) hole_.reset();
  return true;
}

void Sending::frame(Slot slot, FrameKind kind, std::uint64_t length, std::span<const Digest128> leaves) {
  const bool has_bytes = kind == FrameKind::kData;
  encode(FrameHeader{.kind = kind,
                     .flags = has_bytes ? choice_.next(slot.size(), Clock::now()) : std::uint8_t{0},
                     .sequence = sequence_++,
                     .offset = offset_,
                     .length = length,
                     .raw_length = static_cast<std::uint32_t>(slot.size())},
         slot.header());
  offset_ += length;
  ++queued_;
  if (lane_) return lane_->push(std::move(slot));
  wrapper_.wrap(slot, leaves);
  ready_.push_back(std::move(slot));
}

bool Sending::post_ready() {
  while (lane_) {
    auto wrapped = lane_->pop();
    if (!wrapped) break;
    const auto header = decode_frame(wrapped->header()).value();  // our own
    if (header.kind == FrameKind::kData) choice_.learn(wrapped->size() < header.raw_length);
    ready_.push_back(std::move(*wrapped));
  }
  bool posted = false;
  while (!ready_.empty() && session_.link().send_credits() > 0) {
    wire_bytes_ += ready_.front().size();
    session_.link().post_send(std::move(ready_.front()));
    ready_.pop_front();
    --queued_;
    ++in_flight_;
    posted = true;
  }
  return posted;
}

bool Sending::post_end() {
  if (!source_ended_ || end_posted_ || queued_ > 0 || hole_) return false;
  session_.send(End{.length = offset_, .frames = sequence_, .root = digests_.root()});
  end_posted_ = true;
  return true;
}

StreamResult Sending::finish() {
  StreamResult result;
  try {
    session_.send(Bye{});
    static_cast<void>(session_.link().poll());  // now: the caller may have long work left
  } catch (const Error& error) {                // everything is in its place at the other end all the same
    result.warning = std::string(error.what()) + ", after the other end had confirmed";
  }
  result.bytes = offset_;
  result.frames = sequence_;
  result.data_bytes = data_bytes_;
  result.wire_bytes = wire_bytes_;
  result.elapsed = elapsed_;
  digests_.finish(result);
  return result;
}

}  // namespace rdpipe
