#include "launch/relay.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <vector>

#include "ground/units.h"

namespace rdpipe {
namespace {

// One direction.
class Flow {
 public:
  Flow(Loop& loop, Descriptor& from, Descriptor& to)
      : from_(from),
        to_(to),
        readable_(std::in_place, loop, from.get()),
        writable_(std::in_place, loop, to.get()) {}

  [[nodiscard]] bool over() const { return !readable_; }
  // Moves what can be moved, and arms what wakes the loop for the rest.
  void advance() {
    while (!over() && (begin_ < end_ ? drain() : fill())) {
    }
  }

 private:
  bool fill() {
    if (readable_->armed()) return false;
    const auto count = ::read(from_.get(), buffer_.data(), buffer_.size());
    if (count == -1 && (errno == EAGAIN || errno == EINTR)) {
      readable_->arm(POLLIN);
      return false;
    }
    if (count <= 0) return end();
    begin_ = 0;
    end_ = static_cast<std::size_t>(count);
    return true;
  }
  bool drain() {
    if (writable_->armed()) return false;
    const auto count = ::write(to_.get(), buffer_.data() + begin_, end_ - begin_);
    if (count == -1 && (errno == EAGAIN || errno == EINTR)) {
      writable_->arm(POLLOUT);
      return false;
    }
    if (count <= 0) return end();
    begin_ += static_cast<std::size_t>(count);
    return true;
  }
  bool end() {
    readable_.reset();
    writable_.reset();
    to_.reset();
    from_.reset();
    return false;
  }

  Descriptor &from_, &to_;
  std::optional<Watch> readable_, writable_;
  std::vector<char> buffer_ = std::vector<char>(256_KiB);
  std::size_t begin_ = 0, end_ = 0;
};

}  // namespace

void relay(Loop& loop, RelayEnd a, RelayEnd b) {
  Flow there(loop, a.from, b.to), back(loop, b.from, a.to);
  while (!there.over() || !back.over()) {
    there.advance();
    back.advance();
    if (!there.over() || !back.over()) loop.wait();
  }
}

}  // namespace rdpipe
