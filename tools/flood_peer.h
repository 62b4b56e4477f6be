// One server that a thread floods: which messages are under way, and what has become of the others. Every
// message is answered, or lost, or not answered yet. Plain state, no I/O.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace rdpipe::tools {

class FloodPeer {
 public:
  // At most `window` messages are taken to be under way.
  explicit FloodPeer(std::size_t window);

  // How many may go now. What has been silent for long is taken as lost then, as is what a later message has
  // overtaken: answers come in order but for those that are lost.
  [[nodiscard]] std::size_t room(std::chrono::steady_clock::time_point now);
  [[nodiscard]] std::uint64_t next() const noexcept { return next_; }
  void note_sent(std::size_t count, std::chrono::steady_clock::time_point now);
  // False where it was answered before, comes so late that nobody knows that any more, or was never sent.
  bool note_answer(std::uint64_t sequence, std::chrono::steady_clock::time_point now);

  [[nodiscard]] std::uint64_t sent() const noexcept { return next_; }
  [[nodiscard]] std::uint64_t answered() const noexcept { return answered_; }
  [[nodiscard]] std::uint64_t lost() const noexcept { return next_ - answered_; }
  [[nodiscard]] std::uint64_t twice() const noexcept { return twice_; }
  [[nodiscard]] bool all_answered() const noexcept { return first_open_ >= next_; }

 private:
  std::size_t window_;
  std::vector<bool> open_;        // of the last messages, those not answered; by sequence
  std::uint64_t next_ = 0;        // sequence
  std::uint64_t first_open_ = 0;  // from here on under way
  std::uint64_t answered_ = 0, twice_ = 0;
  std::chrono::steady_clock::time_point heard_{};  // or sent to after silence
};

}  // namespace rdpipe::tools
