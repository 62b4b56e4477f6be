// A stream in each direction over one connection. Two rings, one a direction, so that neither starves the
// other. Belongs to one thread at a time and starts none: everything (credits, answers, liveness) advances
// within calls, each of which takes a deadline that leaves the duplex as good as before. What is written is
// posted, or with the kernel, when write() returns; small messages go at once.
//
// Each direction ends with END, whose counts are checked, and Committed, which says that everything has been
// consumed: read() has given it to the program, or its slot was released. Sync asks for the same in passing.
//
// Failures are thrown as Error and last: read() first gives what had arrived, then every call throws. Error
// {kUsage} is the caller's mistake and changes nothing, unless it is from_peer().
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <new>
#include <optional>
#include <span>

#include "ground/deadline.h"
#include "io/busy_poll.h"
#include "io/loop.h"
#include "ring/ring.h"
#include "seal/sealer.h"
#include "session/session.h"
#include "stream/stream.h"

namespace rdpipe {

class Duplex {
 public:
  // Bits of wait().
  static constexpr unsigned kReadable = 1, kWritable = 2;
  static constexpr std::size_t kLeastSlots = 4;  // of each ring

  // The session's terms are agreed, both rings attached. `busy_poll`: as io/busy_poll.h says.
  Duplex(Loop& loop, Session& session, Ring& sending, Ring& receiving, std::optional<Nanoseconds> busy_poll);
  Duplex(const Duplex&) = delete;
  Duplex& operator=(const Duplex&) = delete;
  ~Duplex() = default;  // the peer sees a lost connection, unless close() was true

  // How many bytes were put into `into`, which is not empty: at least 1; 0 only at the real end. Nothing: the
  // deadline has passed.
  [[nodiscard]] std::optional<std::size_t> read(std::span<std::byte> into, Deadline deadline);
  // How many bytes of `from` were taken; all of them unless the deadline has passed. Then those for which
  // there is room are still taken, and what cannot leave yet waits for the next call.
  [[nodiscard]] std::size_t write(std::span<const std::byte> from, Deadline deadline);
  // True when the peer has consumed everything that was written; false: not by the deadline.
  [[nodiscard]] bool sync(Deadline deadline);
  // Says that nothing more will be written, and waits for nothing.
  void shut_down();
  [[nodiscard]] bool is_shut_down() const noexcept { return shut_; }

  enum class Closing : std::uint8_t { kDone, kLate, kUnread };
  // shut_down(), and waits until the peer has consumed everything, and has shut down too or has gone.
  // kUnread: bytes of the peer are here that were not read, so it cannot be; it may be tried again.
  [[nodiscard]] Closing close(Deadline deadline);

  // Which of `events` are possible without waiting, at least one; 0: the deadline has passed. To write is not
  // to be waited for alone when its end was said.
  [[nodiscard]] unsigned wait(unsigned events, Deadline deadline);

  // Memory to write into, a slot's; empty: the deadline has passed. commit() sends its first `length` bytes
  // (0: gives it back) and is due before anything else is written.
  [[nodiscard]] std::span<std::byte> write_slot(Deadline deadline);
  void commit(std::size_t length);
  // The next bytes, in the slot that they arrived in: valid until release(), which consumes them and is due
  // before anything else is read. Empty: the real end. Nothing: the deadline has passed.
  [[nodiscard]] std::optional<std::span<const std::byte>> read_slot(Deadline deadline);
  void release();

 private:
  struct Piece {
    Slot slot;
    std::size_t done = 0;
    [[nodiscard]] std::span<const std::byte> rest() const { return slot.filled().subspan(done); }
  };
  struct Request {  // to say, or to hear, when so much has been consumed
    std::uint64_t length = 0;
    bool is_end = false;
  };

  [[nodiscard]] Link& link() const { return session_.link(); }
  [[nodiscard]] Error error(Status status, const std::string& cause) const;
  void fail(const Error& error) noexcept;

  // duplex.cc: what drives it.
  template <typename Ready>
  [[nodiscard]] bool await(Ready ready, Deadline deadline);
  [[nodiscard]] bool advance();  // true when something has happened
  // What `work` throws is the end of the stream.
  template <typename Work>
  auto or_fail(Work work) {
    try {
      return work();
    } catch (const Error& error) {
      fail(error);
      throw;
    } catch (const std::bad_alloc&) {
      const Error error(Status::kMemory, {}, "out of memory");  // so short that it needs none
      fail(error);
      throw error;
    }
  }
  // The same, thrown when nothing else is left to return.
  template <typename Work>
  void quietly(Work work) {
    if (failure_) return;
    try {
      or_fail(work);
    } catch (const std::exception&) {
      if (!failure_) throw;  // otherwise it is kept
    }
  }
  void catch_up();
  void look();
  void settle();
  [[nodiscard]] bool take_events();
  [[nodiscard]] bool take_event();
  void take(LinkEvent& event);
  [[nodiscard]] Wake worth_waking_for() const;
  template <typename Ready>
  void sleep(Ready ready, Deadline deadline);
  template <typename Ready>
  [[nodiscard]] bool spin(Ready ready, Deadline deadline);
  template <typename Ready>
  [[nodiscard]] bool spin_until(Ready ready, Deadline until);
  void require(bool allowed, const char* attempt, const char* cause) const;

  // duplex_frames.cc: what goes out and what comes in.
  [[nodiscard]] bool can_post() const;
  void frame(Slot slot);
  void post_ready();
  void ask(bool is_end);
  void take_messages();
  void take_frame(Received& received);
  void take_request(Request request);
  void take_answer(std::uint64_t length);
  void consume(std::size_t count);
  void answer();
  [[nodiscard]] bool at_end() const { return end_came_ && pieces_.empty(); }
  [[nodiscard]] bool is_over() const { return end_confirmed_ && end_answered_; }

  Loop& loop_;
  Session& session_;
  Ring& sending_;
  BusyPoll busy_poll_;
  bool stamps_frames_;  // each frame carries its own digest
  std::optional<Sealer> sealer_, opener_;
  std::optional<Error> failure_;

  std::deque<Slot> ready_;  // framed, waiting for a credit
  std::optional<Slot> lent_;
  std::uint64_t sent_frames_ = 0, written_ = 0;
  std::uint64_t wanted_ = 0;        // of which sync() is to hear
  std::deque<Request> asked_;       // and not answered yet
  std::uint64_t asked_length_ = 0;  // of the last
  std::uint64_t confirmed_ = 0;
  bool shut_ = false, end_sent_ = false, end_confirmed_ = false;

  std::deque<Piece> pieces_;  // arrived and not consumed
  bool piece_is_lent_ = false;
  std::uint64_t received_frames_ = 0, received_ = 0, consumed_ = 0;
  std::deque<Request> requests_;  // of the peer, not answered yet
  std::uint64_t requested_length_ = 0;
  bool end_came_ = false, end_answered_ = false;

  bool greeted_ = false;  // what came together with the offer was taken
  bool parted_ = false;   // both directions are over, the link is being closed
  bool closed_ = false;
};

}  // namespace rdpipe
