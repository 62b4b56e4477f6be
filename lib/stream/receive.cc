#include "stream/receive.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <new>
#include <utility>

namespace rdpipe {
namespace {

// How long a receiver that has committed waits for the sender's BYE.
constexpr Nanoseconds kByePatience = std::chrono::seconds(5);

}  // namespace

StreamResult receive_stream(Loop& loop, Session& session, Ring& ring, Sink& sink,
                            const StreamOptions& options) {
  Receiving receiving(loop, session, ring, sink, options);
  while (!receiving.finished()) receiving.turn();
  return receiving.finish();
}

Receiving::Receiving(Loop& loop, Session& session, Ring& ring, Sink& sink, const StreamOptions& options)
    : loop_(loop),
      session_(session),
      ring_(ring),
      sink_(sink),
      digests_(session.terms(), options),
      unwrapper_(session),
      clock_(options.stall_limit),
      teller_(options.progress) {
  if (unwrapper_.takes_long()) {
    lane_.emplace(loop, [&unwrapper = unwrapper_](Slot& slot, std::uint64_t number) {
      unwrapper.unwrap(slot, number);
    });
  }
  sink.start(loop, ring, session.terms().size);
}

void Receiving::turn() {
  try {
    step();
  } catch (const Error& error) {
    outlive(error);
  } catch (const std::bad_alloc&) {
    outlive(Error(Status::kMemory, "receive", "out of memory"));
  }
}

void Receiving::step() {
  take_events();
  if (finished()) return;
  const bool busy = advance();
  if (teller_.due().passed()) tell_progress();
  if (busy) {
    loop_.poll();  // the link has work; a signal must be seen all the same
  } else {
    if (!committed_) clock_.throw_if_stalled(session_.terms().peer_host);
    loop_.wait((committed_ ? bye_deadline_ : clock_.stall_deadline()).earlier(teller_.due()));
  }
}

void Receiving::tell_progress() {
  StreamProgress progress = progress_of(session_);
  progress.bytes = offset_;
  progress.elapsed = committed_ ? elapsed_ : clock_.elapsed();
  progress.ended = end_.has_value();
  const RingShape shape = ring_.shape();
  const std::size_t held = shape.slots - std::min(shape.slots, ring_.free_slots() + granted_);
  progress.buffer = sink_.buffer().value_or(BufferFill{held * shape.slot_size, shape.payload_bytes()});
  teller_.tell(progress);
}

// What is in place can fail no more, whatever happens to link or program. Anything else is thrown on.
void Receiving::outlive(const Error& error) {
  if (!committed_ && !(finishing_ && sink_.in_place_after_all())) throw error;
  warning_ = std::string(error.what()) + ", after everything was in place";
  try {
    static_cast<void>(commit());
  } catch (const Error&) {  // NOLINT(bugprone-empty-catch): the link is lost, and the sender not told
  }
}

bool Receiving::finished() const {
  return committed_ && (said_bye_ || !warning_.empty() || bye_deadline_.passed());
}

// Frames only as many as make a grant worth while: the sender goes on while the next are digested.
void Receiving::take_events() {
  take_messages();  // what came together with the offer
  const std::size_t enough = std::max<std::size_t>(1, ring_.shape().slots / 4);
  std::size_t frames = 0;
  for (int i = 0; i < kEventsPerTurn && frames < enough; ++i) {
    if (finished()) return;
    auto event = next_event();
    if (!event) return;
    if (auto* received = std::get_if<Received>(&*event)) {
      ++frames;
      --granted_;
      clock_.moved();
      sink_.stirred();
      if (end_) throw_damaged("data after the end");
      wire_bytes_ += received->slot.size();
      if (lane_) {
        lane_->push(std::move(received->slot));
      } else {
        unwrapper_.unwrap(received->slot, sequence_);
        deliver(std::move(received->slot));
      }
    } else if (const auto* control = std::get_if<Control>(&*event)) {
      session_.receive(*control);
      take_messages();
    } else if (std::holds_alternative<PeerClosed>(*event)) {
      throw_damaged(end_ ? "the sender went away" : "the sender went away: the stream is incomplete");
    }
  }
  loop_.wake_now();  // there may be more: next turn
}

std::optional<LinkEvent> Receiving::next_event() {
  try {
    return session_.link().poll();
  } catch (const Error& error) {
    if (error.status() != Status::kNetwork || committed_) throw;
    throw Error(Status::kDamaged, error.attempt(), error.cause() + (end_ ? "" : ": the stream is incomplete"),
                error.hint());
  }
}

void Receiving::take_messages() {
  while (const auto message = session_.next()) take(*message);
}

void Receiving::take(const Message& message) {
  if (const auto* end = std::get_if<End>(&message); end != nullptr && !end_) {
    end_ = *end;
  } else if (std::holds_alternative<Bye>(message) && committed_) {
    said_bye_ = true;
  } else if (std::holds_alternative<Working>(message)) {
    clock_.stirred();
    sink_.stirred();
  } else {
    throw_damaged("a message out of turn");
  }
}

bool Receiving::advance() {
  while (lane_) {
    auto opened = lane_->pop();
    if (!opened) break;
    deliver(std::move(*opened));
  }
  const std::size_t free_before = ring_.free_slots();
  sink_.poll();
  const bool freed = ring_.free_slots() > free_before;
  pass_notes();
  const bool granted = grant();
  if (freed || (granted && sequence_ > 0)) clock_.moved();
  if (granted) work_.told();
  // A slow reader's taking counts as well. With two slots an RDMA link has no room to say so again and again.
  const bool has_room = ring_.shape().slots > 2 || session_.link().info().fabric != Fabric::kRdma;
  const bool is_news = work_.is_news(loop_.job_steps() + sink_.taken(), clock_);
  if (is_news && !committed_ && has_room) session_.send(Working{});
  if (end_ && !finishing_ && (!lane_ || lane_->empty())) {
    check_end();
    finishing_ = true;
    if (end_->root) sink_.take_root(*end_->root);
    sink_.finish();
    sink_.poll();
    pass_notes();
  }
  return commit() || granted;
}

void Receiving::pass_notes() {
  while (auto note = sink_.take_note()) {
    session_.send(Note{std::move(*note)});
    clock_.moved();
  }
}

// Also behind the end: by that the sender sees that what it has sent is taken.
bool Receiving::grant() {
  if (committed_) return false;
  bool granted = false;
  while (auto slot = ring_.acquire()) {
    session_.link().post_receive(std::move(*slot));
    ++granted_;
    granted = true;
  }
  return granted;
}

void Receiving::deliver(Slot slot) {
  const auto header = decode_frame(slot.header());
  const bool hole = header && header->kind == FrameKind::kHole;
  if (!header || header->stream != 0 || header->raw_length != slot.size() || header->length == 0 ||
      hole != (slot.size() == 0) ||
      (hole ? header->length > kMaxHoleLength : header->length != slot.size())) {
    throw_damaged("a malformed frame");
  }
  constexpr auto kMaxLength = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (header->sequence != sequence_ || header->offset != offset_ || header->length > kMaxLength - offset_) {
    throw_damaged(fmt::format("frame {} at offset {} where frame {} at offset {} was due", header->sequence,
                              header->offset, sequence_, offset_));
  }
  ++sequence_;
  offset_ += header->length;
  if (hole) {
    digests_.add_zeros(header->length);
    sink_.write_hole(std::move(slot), header->length);
  } else {
    data_bytes_ += slot.size();
    digests_.add(slot.filled());
    sink_.write(std::move(slot));
  }
}

void Receiving::check_end() {
  if (end_->length != offset_ || end_->frames != sequence_) {
    throw_damaged(fmt::format("{} bytes in {} frames arrived, {} in {} were sent", offset_, sequence_,
                              end_->length, end_->frames));
  }
  const auto root = digests_.root();
  if (root.has_value() != end_->root.has_value()) throw_damaged("a message out of turn");
  if (root && *root != *end_->root) {
    throw_damaged(fmt::format("digest mismatch: {} arrived, {} was sent", hex(*root), hex(*end_->root)));
  }
}

bool Receiving::commit() {
  if (!finishing_ || committed_ || !sink_.committed()) return false;
  elapsed_ = clock_.elapsed();
  committed_ = true;
  bye_deadline_ = Deadline::in(kByePatience);
  session_.send(Committed{.length = offset_});
  return true;
}

StreamResult Receiving::finish() {
  StreamResult result;
  result.bytes = offset_;
  result.frames = sequence_;
  result.data_bytes = data_bytes_;
  result.wire_bytes = wire_bytes_;
  result.elapsed = elapsed_;
  result.warning = said_bye_ ? "" : warning_.empty() ? "the sender did not say goodbye" : warning_;
  digests_.finish(result);
  return result;
}

void Receiving::throw_damaged(const std::string& cause) const {
  throw Error(Status::kDamaged, "receive from " + session_.terms().peer_host, cause);
}

}  // namespace rdpipe
