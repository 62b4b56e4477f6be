#include "stream/pipes.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "ground/deadline.h"
#include "ground/error.h"
#include "io/loop.h"
#include "seal/digest.h"
#include "stream/byte_channel.h"

namespace rdpipe {
namespace {

class PipeSource : public Source {
 public:
  PipeSource(int fd, std::string name) : fd_(fd), name_(std::move(name)) {}

  void start(Loop& loop, Ring& ring, std::size_t max_payload) override {
    loop_ = &loop;
    ring_ = &ring;
    max_payload_ = max_payload;
    channel_ = open_for_reading(loop, fd_, name_, max_payload);
  }

  std::optional<SourceEvent> poll(bool urgent) override {
    if (filling_.pending()) return {};
    if (filling_.done()) collect();
    if (!ended_) read(urgent);
    const bool give = slot_ && slot_->size() > 0 && (urgent || ended_ || slot_->size() == max_payload_);
    if (give) return take();
    if (ended_) return SourceEnd{};
    return {};
  }

  std::uint64_t taken() const override { return taken_; }
  std::optional<std::uint64_t> size_hint() const override { return {}; }
  std::size_t empty_slots() const override { return slot_ && slot_->size() == 0 ? 1 : 0; }
  const std::string& name() const override { return name_; }

 private:
  void read(bool urgent) {
    while (!slot_ || slot_->size() < max_payload_) {
      if (!slot_ && !(slot_ = ring_->acquire())) return;
      const auto count = channel_->read(slot_->payload().first(max_payload_).subspan(slot_->size()));
      if (!count) return;
      if (*count == 0) {
        ended_ = true;
        return;
      }
      slot_->resize(slot_->size() + *count);
      taken_ += *count;
      if (urgent) return;
    }
  }

  SourceEvent take() {
    const bool is_full = slot_->size() == max_payload_;
    Filled filled{std::move(*std::exchange(slot_, std::nullopt)), std::exchange(leaves_, {})};
    // Where the writer is ahead and a device takes the bytes, reading and digesting them is most of what this
    // thread has to do with them: another processor does it meanwhile.
    if (is_full && !ended_ && ring_->has_device()) fill_by_worker();
    return filled;
  }

  void fill_by_worker() {
    const int fd = channel_->for_worker();
    if (fd == -1 || !(slot_ = ring_->acquire())) return;
    loop_->run(filling_,
               [this, fd, into = slot_->payload().first(max_payload_),
                digests = ring_->expects_leaves()]() -> std::int64_t {
                 std::size_t got = 0;
                 ssize_t count = 1;
                 while (got < into.size() && count > 0) {
                   count = ::read(fd, into.data() + got, into.size() - got);
                   if (count > 0) got += static_cast<std::size_t>(count);
                 }
                 if (count == -1 && errno != EAGAIN && errno != EINTR) return -errno;
                 ended_ = count == 0;
                 if (digests && got == into.size()) leaves_ = leaves_of(into);
                 return static_cast<std::int64_t>(got);
               });
  }

  void collect() {
    const std::int64_t count = filling_.take();
    if (count < 0) throw_errno(static_cast<int>(-count), Status::kFileIo, "read " + name_);
    slot_->resize(static_cast<std::size_t>(count));
    taken_ += slot_->size();
  }

  int fd_;
  std::string name_;
  Loop* loop_ = nullptr;
  Ring* ring_ = nullptr;
  std::size_t max_payload_ = 0;
  std::unique_ptr<ReadChannel> channel_;
  std::optional<Slot> slot_;         // being filled
  std::vector<Digest128> leaves_{};  // of it, once it is full
  std::uint64_t taken_ = 0;          // bytes
  bool ended_ = false;
  Operation filling_;  // the worker's: slot_, leaves_ and ended_ are its while it is pending
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
