// How the next frame of a stream is to be compressed. What a user names is used throughout; `auto` tries by
// turns zstd, LZ4 and nothing, and stays for a while with what has moved most: whether the processors, the
// line or either end of the stream is the slowest, it shows there. Frames that do not shrink are left alone
// more and more. No I/O, no clock of its own.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "ground/deadline.h"
#include "seal/compression.h"

namespace rdpipe {

// The bits of kCompressionFlags that a sender with this wish may use.
[[nodiscard]] std::uint8_t methods_of(CompressionUse use);

class CompressionChoice {
 public:
  // `agreed`: of kCompressionFlags.
  CompressionChoice(CompressionUse wanted, std::uint8_t agreed);

  // The flag of the method for a frame of `length` bytes that is made `now`; 0: none.
  [[nodiscard]] std::uint8_t next(std::size_t length, Clock::time_point now);
  // What became of each of these frames, in their order.
  void learn(bool shrank);
  // Nothing waits for the line, and the source gives nothing: until the next frame it is the slowest.
  void starved() { last_.reset(); }

 private:
  struct Span {
    std::uint64_t bytes = 0;
    std::size_t frames = 0;
    Nanoseconds time{0};
    [[nodiscard]] bool tells() const;
    [[nodiscard]] double rate() const;
  };
  void measure(std::size_t length, Clock::time_point now);
  void end_trial();
  [[nodiscard]] bool is_trying() const { return tried_ < methods_.size(); }

  std::vector<std::uint8_t>
      methods_;  // those to choose from; the first is the best where nothing else counts
  std::size_t current_ = 0;

  std::optional<Clock::time_point> last_;  // frame
  std::size_t last_length_ = 0;
  Span span_;                      // of the trial, or since the last
  std::size_t tried_ = 0;          // methods
  bool settled_ = false;           // the trial is not about what the one before has left on the way
  std::array<double, 3> rates_{};  // of the methods
  Nanoseconds trials_{0};          // time that they took

  std::deque<bool> asked_;  // frames to learn of: whether they were to be compressed
  std::size_t failures_ = 0;
  std::size_t pause_ = 0;  // frames to leave alone, when the next does not shrink either
  std::size_t left_ = 0;   // ... of them still to come
};

}  // namespace rdpipe
