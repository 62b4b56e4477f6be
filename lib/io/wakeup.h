// What makes a sleeping loop look up: an eventfd that any thread may raise. Shared by the loop and its
// workers, as a worker may outlive the loop.
#pragma once

#include <atomic>

#include "ground/descriptor.h"

namespace rdpipe {

class Wakeup {
 public:
  Wakeup();  // throws Error{kMemory}

  // From any thread, also from a signal's action. Only the first since lower() costs a system call.
  void raise() noexcept;

  // For the loop's thread: whether lower() is due, without a system call.
  [[nodiscard]] bool raised() const noexcept { return raised_.load(std::memory_order_acquire); }
  // To be called after the eventfd was read and before looking at what it announced.
  void lower() noexcept { raised_.exchange(false, std::memory_order_acq_rel); }
  [[nodiscard]] int fd() const noexcept { return eventfd_.get(); }

 private:
  Descriptor eventfd_;  // blocking: io_uring then waits for it where it would else answer EAGAIN
  std::atomic<bool> raised_ = false;
};

}  // namespace rdpipe
