// Sources and sinks in memory, good and bad ones, for tests of streams.
#pragma once

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ground/deadline.h"
#include "ground/error.h"
#include "io/loop.h"
#include "ring/ring.h"
#include "stream/sink.h"
#include "stream/source.h"

namespace rdpipe {

inline std::vector<std::byte> pattern(std::size_t size) {
  std::vector<std::byte> bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>((i * 31) ^ (i >> 11));
  return bytes;
}

// Gives `bytes` in full slots, with zeros of `hole` bytes after the first slot; fails at `fail_at`.
class MemorySource : public Source {
 public:
  explicit MemorySource(std::vector<std::byte> bytes, std::uint64_t hole = 0, std::size_t fail_at = SIZE_MAX)
      : bytes_(std::move(bytes)), hole_(hole), fail_at_(fail_at) {}
  void start(Loop&, Ring& ring, std::size_t max_payload) override {
    ring_ = &ring;
    max_payload_ = max_payload;
  }
  std::optional<SourceEvent> poll(bool) override {
    if (done_ >= fail_at_) throw_errno(EIO, Status::kFileIo, "read 'in'");
    if (done_ > 0 && hole_ > 0) return Hole{std::exchange(hole_, 0)};
    if (done_ == bytes_.size()) return SourceEnd{};
    auto slot = ring_->acquire();
    if (!slot) return {};
    const std::size_t count = std::min(max_payload_, bytes_.size() - done_);
    std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(done_), count, slot->payload().begin());
    slot->resize(count);
    done_ += count;
    return Filled{std::move(*slot)};
  }
  std::optional<std::uint64_t> size_hint() const override { return bytes_.size(); }
  const std::string& name() const override { return name_; }

 private:
  std::string name_ = "'in'";
  std::vector<std::byte> bytes_;
  std::uint64_t hole_;
  std::size_t fail_at_;
  std::size_t done_ = 0;
  Ring* ring_ = nullptr;
  std::size_t max_payload_ = 0;
};

class MemorySink : public Sink {
 public:
  explicit MemorySink(std::size_t fail_at = SIZE_MAX) : fail_at_(fail_at) {}
  void start(Loop&, Ring&, std::optional<std::uint64_t>) override {}
  void write(Slot slot) override {
    bytes.insert(bytes.end(), slot.filled().begin(), slot.filled().end());
    if (bytes.size() >= fail_at_) throw_errno(ENOSPC, Status::kFileIo, "store 'out'");
  }
  void write_hole(Slot, std::uint64_t length) override { bytes.resize(bytes.size() + length); }
  void poll() override {}
  void finish() override { finished = true; }
  bool committed() const override { return finished; }
  const std::string& name() const override { return name_; }

  std::vector<std::byte> bytes;
  bool finished = false;

 private:
  std::string name_ = "'out'";
  std::size_t fail_at_;
};

// Is put in place by a last step that nothing can call back, and that ends only when it is waited for.
class LateSink : public MemorySink {
 public:
  bool committed() const override { return placed_; }
  bool in_place_after_all() override { return placed_ = true; }

 private:
  bool placed_ = false;
};

// Takes a slot every 100 ms, as a slow reader would.
class SlowSink : public MemorySink {
 public:
  void start(Loop& loop, Ring&, std::optional<std::uint64_t>) override { loop_ = &loop; }
  void write(Slot slot) override { waiting_.push_back(std::move(slot)); }
  void poll() override {
    if (waiting_.empty()) return;
    if (next_.passed()) {
      MemorySink::write(std::move(waiting_.front()));
      waiting_.pop_front();
      next_ = Deadline::in(std::chrono::milliseconds(100));
    }
    loop_->wake_at(next_);
  }
  bool committed() const override { return finished && waiting_.empty(); }

 private:
  Loop* loop_ = nullptr;
  std::deque<Slot> waiting_;
  Deadline next_ = Deadline::now();
};

}  // namespace rdpipe
