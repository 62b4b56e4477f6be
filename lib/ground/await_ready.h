// poll(2) of one descriptor: for what has no loop to sleep in, and for looks that do not sleep.
#pragma once

#include "ground/deadline.h"

namespace rdpipe {

// Sleeps until `fd` has one of `events`, which are poll(2)'s, or an error or its end, which always count; or
// until `deadline`, which signals do not bring nearer. What it has; 0: nothing, in time, or poll(2) failed. A
// negative `fd` never has anything. Any thread.
short await_ready(int fd, short events, Deadline deadline) noexcept;

}  // namespace rdpipe
