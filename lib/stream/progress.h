// How far a stream is, as one end sees it, for a user who watches. Told about five times a second by the
// thread that moves the stream, which wakes up for it also while nothing moves; where nobody listens it costs
// nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "ground/deadline.h"

namespace rdpipe {

// What waits between the two ends of a buffer, in bytes.
struct BufferFill {
  std::uint64_t held = 0;
  std::uint64_t size = 0;
};

struct StreamProgress {
  std::uint64_t bytes = 0;               // of the stream: sent, or arrived; holes count
  std::optional<std::uint64_t> total{};  // as the source knows it: a hint
  std::chrono::nanoseconds elapsed{0};   // since the first byte
  BufferFill buffer{};                   // of this end: what it has not sent or written yet
  bool ended = false;                    // all of it is through; what is left is to put it in place
  std::string fabric{};                  // "RDMA" or "TCP", "local" within one process
  std::string device{};                  // "mlx5_0"; may be empty
  std::string peer{};                    // the other end's host name
  bool sealed = false;
  unsigned retries = 0;  // tries to connect that came to nothing before the one that did
};

using ProgressListener = std::function<void(const StreamProgress&)>;

// When it is time to tell.
class ProgressTeller {
 public:
  explicit ProgressTeller(ProgressListener listener) : listener_(std::move(listener)) {}
  // To be woken at, and told something.
  [[nodiscard]] Deadline due() const { return listener_ ? next_ : Deadline::never(); }
  void tell(const StreamProgress& progress) {
    next_ = Deadline::in(std::chrono::milliseconds(200));
    if (listener_) listener_(progress);
  }

 private:
  ProgressListener listener_;
  Deadline next_ = Deadline::now();
};

}  // namespace rdpipe
