// Sources and sinks in memory, good and bad ones, for tests of streams.
#pragma once

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "ground/deadline.h"
#include "ground/error.h"
#include "io/loop.h"
#include "io/workers.h"
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

// Begins late, when all that the peer grants at first has come. Tells before it is asked for something
// (false), and when it has given a slot (true).
class WatchedSource : public MemorySource {
 public:
  WatchedSource(std::vector<std::byte> bytes, std::function<void(bool)> tell)
      : MemorySource(std::move(bytes)), tell_(std::move(tell)) {}
  void start(Loop& loop, Ring& ring, std::size_t max_payload) override {
    MemorySource::start(loop, ring, max_payload);
    loop_ = &loop;
    begin_ = Deadline::in(std::chrono::milliseconds(200));
  }
  std::optional<SourceEvent> poll(bool urgent) override {
    if (!begin_.passed()) return loop_->wake_at(begin_), std::nullopt;
    tell_(false);
    auto event = MemorySource::poll(urgent);
    if (event && std::holds_alternative<Filled>(*event)) tell_(true);
    return event;
  }

 private:
  std::function<void(bool)> tell_;
  Loop* loop_ = nullptr;
  Deadline begin_ = Deadline::never();
};

// Tells before it takes a slot.
class WatchedSink : public MemorySink {
 public:
  explicit WatchedSink(std::function<void()> tell) : tell_(std::move(tell)) {}
  void write(Slot slot) override {
    tell_();
    MemorySink::write(std::move(slot));
  }

 private:
  std::function<void()> tell_;
};

// A job of 2 s, which says every 20 ms that it gets on, or never.
class LongJob {
 public:
  explicit LongJob(bool gets_on) : gets_on_(gets_on) {}
  void start(Loop& loop) {
    loop.run(running_, [this]() -> std::int64_t {
      for (int step = 0; step < 100 && !(gets_on_ && is_unwanted()); ++step) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
      }
      return 0;
    });
  }
  [[nodiscard]] bool done() const { return running_.done(); }

 private:
  bool gets_on_;
  Operation running_;
};

// Has a long job to do before it gives its first byte.
class BusySource : public MemorySource {
 public:
  BusySource(std::vector<std::byte> bytes, bool gets_on) : MemorySource(std::move(bytes)), job_(gets_on) {}
  void start(Loop& loop, Ring& ring, std::size_t max_payload) override {
    MemorySource::start(loop, ring, max_payload);
    job_.start(loop);
  }
  std::optional<SourceEvent> poll(bool urgent) override {
    return job_.done() ? MemorySource::poll(urgent) : std::nullopt;
  }

 private:
  LongJob job_;
};

// Has a long job to do after its last byte.
class BusySink : public MemorySink {
 public:
  void start(Loop& loop, Ring&, std::optional<std::uint64_t>) override { loop_ = &loop; }
  void finish() override {
    MemorySink::finish();
    job_.start(*loop_);
  }
  bool committed() const override { return finished && job_.done(); }

 private:
  Loop* loop_ = nullptr;
  LongJob job_{true};
};

}  // namespace rdpipe
