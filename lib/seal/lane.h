// Slots on their way through long work on the loop's workers; they come out in the order they went in.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>

#include "io/loop.h"
#include "ring/ring.h"

namespace rdpipe {

class Lane {
 public:
  // Done to each slot, on several threads at once. `number` counts what was pushed: 0, 1, 2, ...
  using Work = std::function<void(Slot& slot, std::uint64_t number)>;
  Lane(Loop& loop, Work work);
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;
  ~Lane();  // waits for the workers, then the slots go home

  void push(Slot slot);
  // The next slot that is through. Throws what its work threw.
  [[nodiscard]] std::optional<Slot> pop();
  [[nodiscard]] bool empty() const noexcept { return jobs_.empty(); }

 private:
  struct Job;
  Loop& loop_;
  Work work_;
  std::uint64_t next_number_ = 0;
  std::deque<std::unique_ptr<Job>> jobs_;  // last: they end before what they use
};

}  // namespace rdpipe
