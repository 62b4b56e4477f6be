// Sending one stream to several receivers: a Sending for each, with a session and a ring of its own, and all
// of them on one loop. Each goes at its own pace, as far as the trunk's slots and buffer reach. One that
// fails is told, and left behind; the others go on while there are enough of them. One thread, that of the
// loop.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ground/deadline.h"
#include "ground/error.h"
#include "io/loop.h"
#include "ring/ring.h"
#include "session/session.h"
#include "stream/progress.h"
#include "stream/send.h"
#include "stream/stream.h"
#include "stream/trunk.h"

namespace rdpipe {

class Fan {
 public:
  struct Rules {
    std::size_t least = 1;     // receivers that must commit, or nobody goes on
    Nanoseconds drop_slow{0};  // one that has held up the others for so long is left behind; 0: none
    StreamOptions stream{};    // each one's, but for the digests, which are the trunk's
    std::function<void(std::size_t index)> failed{};  // hears of each one that has failed
  };
  // What is known of one receiver in the end.
  struct Outcome {
    std::string name;
    StreamProgress progress{};  // what it has been sent, and how
    bool compressed = false;
    std::optional<StreamResult> result{};  // it has committed
    std::optional<Error> error{};          // it has failed
    bool given_up = false;                 // ... by give_up()
    bool unknown = false;                  // ... behind the end, and has not said whether it has the data
  };

  // `names` are those of the receivers, which are to come. All of these outlive it.
  Fan(Loop& loop, Trunk& trunk, std::vector<std::string> names, Rules rules);
  Fan(const Fan&) = delete;
  Fan& operator=(const Fan&) = delete;
  ~Fan();

  // A receiver has come, with which terms are agreed.
  void join(std::size_t index, std::unique_ptr<Session> session);
  // It is told that this end works, until begin(); `headers` are attached to its link. `copies`: see Branch.
  void start(std::size_t index, std::unique_ptr<Ring> headers, bool copies);
  // A receiver has failed or does not come; if it is there, it is told, and behind the end asked what became
  // of it.
  void fail(std::size_t index, const Error& error);

  // Of those who are there.
  [[nodiscard]] std::vector<Session*> sessions();
  // Of these, the links that must reach the trunk's slots: whose bytes are not altered on the way.
  [[nodiscard]] std::vector<Link*> reaching_links();
  // Bytes of a piece that each of them can take, at most.
  [[nodiscard]] std::size_t max_payload() const;
  // The trunk has started: from now on data move. `share`: of its slots, how many one receiver may hold, but
  // for those whose bytes are altered on the way and so copied.
  void begin(std::size_t share);
  // One step of each, and sleep when nothing is left to do. Throws when fewer than `least` can still commit,
  // and what the source or the loop throws; give_up() is then what is left to do.
  void turn();
  void require_enough() const;
  // Nobody is left who may commit, and all goodbyes are said.
  [[nodiscard]] bool over() const;
  // The outcome of each is known.
  [[nodiscard]] bool decided() const;
  // Tells all who have not committed why nothing comes of it, and waits a little for them to hear it, and to
  // say so where they have committed all the same. Then it is decided().
  void give_up(const Error& error) noexcept;

  [[nodiscard]] std::size_t size() const noexcept { return receivers_.size(); }
  [[nodiscard]] const Outcome& outcome(std::size_t index) const { return receivers_[index].outcome; }

 private:
  enum class State : std::uint8_t { kAwaited, kSending, kLeaving, kGone };
  // Members in the order of their lives.
  struct Receiver {
    Outcome outcome;
    State state = State::kAwaited;
    std::unique_ptr<Ring> headers;
    bool copies = false;  // into those, at least some
    std::unique_ptr<Session> session;
    std::unique_ptr<Branch> branch;
    std::unique_ptr<Sending> sending;
    std::optional<Error> asked;           // asked with this behind the end, it has not answered yet
    Deadline leaves = Deadline::never();  // at the latest
    bool holds_up = false;
    Nanoseconds held_up{0};  // so long, since it was where the others are
  };

  [[nodiscard]] bool step(Receiver& receiver);
  [[nodiscard]] bool is_of_source(const Receiver& receiver, const Error& error) const;
  [[nodiscard]] static bool may_answer(const Receiver& receiver, const Error& error);
  [[nodiscard]] static bool is_decided(const Receiver& receiver) {
    return receiver.outcome.result || receiver.outcome.error;
  }
  void conclude(Receiver& receiver);
  void leave(Receiver& receiver);
  void ask(Receiver& receiver, const Error& error);
  void await_answer(Receiver& receiver, bool is_told);
  void see_off(Receiver& receiver);
  void fail(Receiver& receiver, const Error& error);
  // Runs what says something to it; where that cannot be, nothing more comes of its link.
  template <typename Say>
  static void say(Receiver& receiver, Say words);
  void settle(Receiver& receiver, const Error& error, bool unknown);
  [[nodiscard]] static bool waits(const Receiver& receiver);
  [[nodiscard]] static bool is_behind(const Receiver& receiver);
  [[nodiscard]] static bool can_go_on(const Receiver& receiver);
  [[nodiscard]] bool anybody_waits() const { return std::ranges::any_of(receivers_, waits); }
  void note_hold_ups();
  void keep_waiting();
  void tell_progress();
  void wake_by(Deadline deadline) { wake_ = wake_.earlier(deadline); }

  Loop& loop_;
  Trunk& trunk_;
  Rules rules_;
  std::vector<Receiver> receivers_;
  std::optional<std::size_t> first_failed_;
  ProgressTeller teller_;
  std::uint64_t taken_ = 0;  // of the trunk, when it was looked at last
  Clock::time_point last_look_;
  Deadline wake_ = Deadline::never();  // of the turn
};

}  // namespace rdpipe
