// One direction's completions, and the sleep for them.
#pragma once

#include <poll.h>

#include "ground/deadline.h"
#include "io/loop.h"
#include "verbs/datagram_queue.h"

namespace rdpipe {

class Announced {
 public:
  Announced(Loop& loop, CompletionQueue& queue) : loop_(loop), queue_(queue), watch_(loop, queue.fd()) {}

  // Sleeps until `look`, which takes completions, has found something; also ends at the deadline, or for no
  // reason. Completions that come between the first look and the announcement are found by the second.
  template <typename Look>
  void sleep(Look look, Deadline deadline) {
    if (!asked_) {
      queue_.announce(Announce::kAll);
      asked_ = true;
      if (look()) return;
    }
    watch_.arm(POLLIN);
    loop_.wait(deadline);
    if (!watch_.armed() && queue_.take_announcement()) asked_ = false;
    look();
  }

 private:
  Loop& loop_;
  CompletionQueue& queue_;
  Watch watch_;
  bool asked_ = false;
};

}  // namespace rdpipe
