// Sending a stream: slots that the source has filled are digested, sealed and posted while the peer grants
// credits; when the source has ended, END; then wait for COMMITTED, or for why not.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <span>

#include "io/loop.h"
#include "ring/ring.h"
#include "seal/lane.h"
#include "session/session.h"
#include "stream/compression_choice.h"
#include "stream/source.h"
#include "stream/stream.h"
#include "stream/wrapping.h"

namespace rdpipe {

// Sends everything `source` gives and returns when the peer has committed it. The session's terms are agreed
// and `ring` is attached. Throws Error; the caller tells the peer (Session::fail).
[[nodiscard]] StreamResult send_stream(Loop& loop, Session& session, Ring& ring, Source& source,
                                       const StreamOptions& options);

// `error` of a sender whose stream has ended and whose other end has not said what became of it.
[[nodiscard]] Error unconfirmed(const Error& error);

// The sending half of a connection, in steps, for whoever drives the loop. One thread.
class Sending {
 public:
  Sending(Loop& loop, Session& session, Ring& ring, Source& source, const StreamOptions& options);

  // One step, and sleep when nothing is left to do. What it throws says so where the outcome is unknown.
  void turn();
  // Takes what has happened and advances, for whoever sleeps elsewhere. True when there is more to do at
  // once. Otherwise it is to be asked again when the loop wakes up, and at due(). Not once committed().
  [[nodiscard]] bool step();
  [[nodiscard]] Deadline due() const { return clock_.stall_deadline().earlier(teller_.due()); }
  // A number that grows while the other end takes what is sent, or says that it works.
  [[nodiscard]] std::uint64_t taken() const noexcept { return taken_; }
  // Takes what the link and the peer have brought since the last step; what was posted goes out.
  void take_events();
  // Reads, seals and posts what can go without waiting, and END behind it. True when something was posted,
  // for which the link has work to do before anybody sleeps, or when more can go.
  [[nodiscard]] bool advance();
  [[nodiscard]] bool committed() const noexcept { return committed_; }
  // What it sends is sealed or compressed: altered, and so copied where it was borrowed.
  [[nodiscard]] bool alters() const noexcept { return lane_.has_value(); }
  // It would send what the source gave now.
  [[nodiscard]] bool may_take() const {
    return !source_ended_ && !hole_ && queued_ < session_.link().send_credits();
  }
  // Nagle's rule, without a timer: a partial slot goes when fewer than two frames are on their way.
  [[nodiscard]] bool line_is_idle() const noexcept { return queued_ + in_flight_ < 2; }
  // Frames that hold what the source gave: all that are on their way, but for those whose bytes were copied.
  [[nodiscard]] std::size_t held() const noexcept { return queued_ + (alters() ? 0 : in_flight_); }
  // How far it is; but for the buffer.
  [[nodiscard]] StreamProgress progress() const;
  // END has gone, and neither COMMITTED nor what ends the link has come.
  [[nodiscard]] bool awaits_verdict() const noexcept { return end_posted_ && !committed_; }
  // The last word: BYE, and the result.
  [[nodiscard]] StreamResult finish();

 private:
  [[nodiscard]] std::optional<LinkEvent> next_event();
  void tell_progress();
  void take(Sent sent);
  void note_credits();
  void note_jobs();
  void take_messages();
  void take(const Message& message);
  [[nodiscard]] bool frame_next();
  void frame(Slot slot, FrameKind kind, std::uint64_t length, std::span<const Digest128> leaves = {});
  [[nodiscard]] bool frame_hole();
  [[nodiscard]] bool post_ready();
  [[nodiscard]] bool post_end();
  [[noreturn]] void throw_unconfirmed(const Error& error);

  Loop& loop_;
  Session& session_;
  Ring& ring_;
  Source& source_;
  StreamDigests digests_;
  CompressionChoice choice_;
  Wrapper wrapper_;
  std::optional<Lane> lane_;   // after wrapper_: it ends first
  std::deque<Slot> ready_;     // framed and wrapped, waiting for a credit
  std::optional<Slot> spare_;  // carries the header of a hole, however far ahead the source has read
  std::optional<Hole> hole_;   // waits for the spare slot
  ProgressClock clock_;
  ProgressTeller teller_;
  QuietWork work_;
  bool shares_loop_;
  std::uint64_t job_steps_ = 0, own_steps_ = 0;  // of the loop's jobs, and those that count
  std::uint64_t sequence_ = 0;                   // of the next frame
  std::uint64_t offset_ = 0;                     // of the next byte
  std::uint64_t data_bytes_ = 0, wire_bytes_ = 0;
  std::size_t queued_ = 0;     // frames in the lane and in ready_
  std::size_t in_flight_ = 0;  // frames posted and not yet Sent
  std::size_t credits_ = 0;    // when they were last looked at
  std::uint64_t taken_ = 0;
  bool source_ended_ = false;
  bool end_posted_ = false;
  bool committed_ = false;
  Nanoseconds elapsed_{0};
};

}  // namespace rdpipe
