#include "rdpipe/serve_tally.h"

#include <utility>

namespace rdpipe {

void ServeTally::add_moved(std::uint64_t bytes, Clock::time_point now) {
  if (bytes == 0) return;
  last_moved_ = now;
  bytes_ += bytes;
  rates_.add(now, bytes);
}

void ServeTally::add_ended(bool well) {
  ++transfers_;
  if (!well) ++failures_;
  changed_ = true;
}

void ServeTally::set_state(ServerState state) {
  if (std::exchange(state_, state) != state) changed_ = true;
}

void ServeTally::set_serving(std::size_t clients) {
  if (std::exchange(serving_, clients) != clients) changed_ = true;
}

void ServeTally::set_waiting(std::size_t clients) {
  if (std::exchange(waiting_, clients) != clients) changed_ = true;
}

bool ServeTally::take_news(Clock::time_point now) {
  const bool is_due =
      changed_ ? now >= last_told_ + kPause : has_rates(now) && now >= last_told_ + kRatesPause;
  if (!is_due) return false;
  changed_ = false;
  last_told_ = now;
  return true;
}

Deadline ServeTally::next_news(Clock::time_point now) const {
  if (changed_) return Deadline::at(last_told_ + kPause);
  return has_rates(now) ? Deadline::at(last_told_ + kRatesPause) : Deadline::never();
}

bool ServeTally::has_rates(Clock::time_point now) const {
  return bytes_ > 0 && now < last_moved_ + Rates::kLongest + kRatesPause;
}

ServerStatus ServeTally::status(Clock::time_point now) const {
  ServerStatus status;
  status.state = state_;
  status.clients = serving_;
  status.waiting = waiting_;
  status.transfers = transfers_;
  status.failures = failures_;
  status.bytes = bytes_;
  status.rate_10s = rates_.over(now, std::chrono::seconds(10));
  status.rate_1min = rates_.over(now, std::chrono::minutes(1));
  status.rate_5min = rates_.over(now, std::chrono::minutes(5));
  return status;
}

}  // namespace rdpipe
