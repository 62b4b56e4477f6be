// Receiving a stream: the mirror of sending. Slots are granted to the peer, what arrives is opened, checked
// and digested and goes to the sink; when END has come and count and root agree, the sink puts it in place;
// only then COMMITTED.
#pragma once

#include <cstdint>
#include <optional>

#include "io/loop.h"
#include "ring/ring.h"
#include "seal/lane.h"
#include "session/session.h"
#include "stream/sink.h"
#include "stream/stream.h"
#include "stream/wrapping.h"

namespace rdpipe {

// Receives a whole stream into `sink` and returns when it is in place there and the peer was told. The
// session's terms are agreed and `ring` is attached. Throws Error; the caller tells the peer (Session::fail),
// and the target is as it was.
[[nodiscard]] StreamResult receive_stream(Loop& loop, Session& session, Ring& ring, Sink& sink,
                                          const StreamOptions& options);

// The receiving half of a connection, in steps, for whoever drives the loop. One thread.
class Receiving {
 public:
  Receiving(Loop& loop, Session& session, Ring& ring, Sink& sink, const StreamOptions& options);

  // One step: take what has happened, advance, and sleep when nothing is left to do.
  void turn();
  // Takes what the link and the peer have brought since the last step.
  void take_events();
  // Grants slots, moves what arrived into the sink, and commits when all is there. True when something was
  // posted.
  [[nodiscard]] bool advance();
  // Committed, and the sender has said BYE, has gone, or keeps silent: nothing more is to be done.
  [[nodiscard]] bool finished() const;
  [[nodiscard]] bool committed() const noexcept { return committed_; }
  [[nodiscard]] StreamResult finish();

 private:
  void step();
  void outlive(const Error& error);
  [[nodiscard]] std::optional<LinkEvent> next_event();
  void tell_progress();
  void take_messages();
  void take(const Message& message);
  void deliver(Slot slot);
  void pass_notes();
  void check_end();
  [[nodiscard]] bool grant();
  [[nodiscard]] bool commit();
  [[noreturn]] void throw_damaged(const std::string& cause) const;

  Loop& loop_;
  Session& session_;
  Ring& ring_;
  Sink& sink_;
  StreamDigests digests_;
  Unwrapper unwrapper_;
  std::optional<Lane> lane_;  // after unwrapper_: it ends first
  ProgressClock clock_;
  ProgressTeller teller_;
  std::size_t granted_ = 0;     // slots that the sender may fill
  std::uint64_t sequence_ = 0;  // of the next frame
  std::uint64_t offset_ = 0;    // of the next byte
  std::uint64_t data_bytes_ = 0, wire_bytes_ = 0;
  QuietWork work_;
  std::optional<End> end_;
  bool finishing_ = false;  // the sink is putting the stream in place
  bool committed_ = false;
  bool said_bye_ = false;
  Deadline bye_deadline_ = Deadline::never();
  std::string warning_;
  Nanoseconds elapsed_{0};
};

}  // namespace rdpipe
