#include "stream/pipes.h"

#include <algorithm>
#include <array>
#include <deque>
#include <optional>
#include <utility>

#include "ground/deadline.h"
#include "ground/error.h"
#include "io/loop.h"
#include "stream/byte_channel.h"

namespace rdpipe {
namespace {

class PipeSource : public Source {
 public:
  PipeSource(int fd, std::string name) : fd_(fd), name_(std::move(name)) {}

  void start(Loop& loop, Ring& ring, std::size_t max_payload) override {
    ring_ = &ring;
    max_payload_ = max_payload;
    channel_ = open_for_reading(loop, fd_, name_, max_payload);
  }

  std::optional<SourceEvent> poll(bool urgent) override {
    if (ended_) return SourceEnd{};
    while (!slot_ || slot_->size() < max_payload_) {
      if (!slot_ && !(slot_ = ring_->acquire())) return {};
      const auto count = channel_->read(slot_->payload().first(max_payload_).subspan(slot_->size()));
      if (!count) break;
      if (*count == 0) {
        ended_ = true;
        break;
      }
      slot_->resize(slot_->size() + *count);
      taken_ += *count;
      if (urgent) break;
    }
    const bool give = slot_ && slot_->size() > 0 && (urgent || ended_ || slot_->size() == max_payload_);
    if (give) return Filled{std::move(*std::exchange(slot_, std::nullopt))};
    if (ended_) return SourceEnd{};
    return {};
  }

  std::uint64_t taken() const override { return taken_; }
  std::optional<std::uint64_t> size_hint() const override { return {}; }
  std::size_t empty_slots() const override { return slot_ && slot_->size() == 0 ? 1 : 0; }
  const std::string& name() const override { return name_; }

 private:
  int fd_;
  std::string name_;
  Ring* ring_ = nullptr;
  std::size_t max_payload_ = 0;
  std::unique_ptr<ReadChannel> channel_;
  std::optional<Slot> slot_;  // being filled
  std::uint64_t taken_ = 0;   // bytes
  bool ended_ = false;
};

// Bytes of zero that stand for a hole where there are none: one page-aligned block for all.
constexpr std::size_t kZeroBlock = 64_KiB;
alignas(kPageSize) constexpr std::array<std::byte, kZeroBlock> kZeros{};

class PipeSink : public Sink {
 public:
  PipeSink(int fd, std::string name) : fd_(fd), name_(std::move(name)) {}

  void start(Loop& loop, Ring& ring, std::optional<std::uint64_t>) override {
    loop_ = &loop;
    channel_ = open_for_writing(loop, fd_, name_, ring.shape().slot_size);
  }

  void write(Slot slot) override {
    const std::size_t length = slot.size();
    queue_.push_back(Piece{std::move(slot), length});
  }
  void write_hole(Slot slot, std::uint64_t length) override {
    queue_.push_back(Piece{std::move(slot), length});
  }

  void poll() override {
    while (!queue_.empty()) {
      Piece& piece = queue_.front();
      const auto count = channel_->write(piece.rest());
      if (!count) return;
      piece.done += *count;
      taken_ += *count;
      if (piece.done == piece.length) queue_.pop_front();
    }
    if (finishing_ && !committed_) await_reader();
  }

  void finish() override { finishing_ = true; }
  bool committed() const override { return committed_; }
  std::uint64_t taken() const override { return taken_; }
  std::optional<std::size_t> backlog() const override { return queue_.size(); }
  const std::string& name() const override { return name_; }

 private:
  struct Piece {
    Slot slot;                 // of size() 0: a hole
    std::uint64_t length = 0;  // of the stream, bytes
    std::uint64_t done = 0;    // of these, how many are written

    // What to write next, perhaps not all that is left.
    [[nodiscard]] std::span<const std::byte> rest() const {
      if (slot.size() > 0) return slot.filled().subspan(done);
      return std::span(kZeros).first(std::min<std::uint64_t>(length - done, kZeroBlock));
    }
  };

  // A buffer announces nothing when it has run empty: look again at growing intervals.
  void await_reader() {
    const std::size_t waiting = channel_->waiting();
    if (waiting == 0) {
      committed_ = true;
      return;
    }
    taken_ += waiting_ > waiting ? waiting_ - waiting : 0;
    waiting_ = waiting;
    constexpr Nanoseconds kFirstLook = std::chrono::microseconds(200);
    constexpr Nanoseconds kLastLook = std::chrono::milliseconds(20);
    pause_ = std::clamp(pause_ * 2, kFirstLook, kLastLook);
    loop_->wake_at(Deadline::in(pause_));
  }

  int fd_;
  std::string name_;
  Loop* loop_ = nullptr;
  std::unique_ptr<WriteChannel> channel_;
  std::deque<Piece> queue_;
  std::uint64_t taken_ = 0;  // bytes
  std::size_t waiting_ = 0;  // bytes that the reader has not taken, when it was looked at last
  bool finishing_ = false;
  bool committed_ = false;
  Nanoseconds pause_{0};
};

}  // namespace

std::unique_ptr<Source> make_pipe_source(int fd, std::string name) {
  return std::make_unique<PipeSource>(fd, std::move(name));
}

std::unique_ptr<Sink> make_pipe_sink(int fd, std::string name) {
  return std::make_unique<PipeSink>(fd, std::move(name));
}

}  // namespace rdpipe
