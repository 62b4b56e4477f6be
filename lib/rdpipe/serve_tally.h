// What a server has done so far: counts, rates, and when its status is news. No clock of its own; one thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ground/deadline.h"
#include "rdpipe/serve.h"
#include "serve/rates.h"

namespace rdpipe {

class ServeTally {
 public:
  static constexpr Nanoseconds kPause = std::chrono::seconds(1);        // between statuses, at least
  static constexpr Nanoseconds kRatesPause = std::chrono::seconds(10);  // while only the rates change

  // `bytes` of content since the last time.
  void add_moved(std::uint64_t bytes, Clock::time_point now);
  void add_ended(bool well);
  void set_state(ServerState state);
  void set_serving(std::size_t clients);
  void set_waiting(std::size_t clients);

  // Whether the status is to be told now; it is then not news any more.
  [[nodiscard]] bool take_news(Clock::time_point now);
  // When to ask again, if nothing happens before.
  [[nodiscard]] Deadline next_news(Clock::time_point now) const;
  [[nodiscard]] ServerStatus status(Clock::time_point now) const;

 private:
  [[nodiscard]] bool has_rates(Clock::time_point now) const;

  ServerState state_ = ServerState::kRunning;
  std::size_t serving_ = 0, waiting_ = 0;
  std::uint64_t bytes_ = 0, transfers_ = 0, failures_ = 0;
  Rates rates_;
  Clock::time_point last_moved_{}, last_told_{};
  bool changed_ = true;  // since it was last told, not only the rates
};

}  // namespace rdpipe
