// A sink that takes what arrives while the inner one is busy, into a buffer in memory beyond the ring: its
// slots go home, and the sender goes on, as soon as their bytes are copied. While the inner sink keeps up,
// slots are passed on as they come. One thread, that of the loop.
#pragma once

#include <deque>
#include <memory>
#include <optional>

#include "stream/around.h"
#include "stream/memory_fifo.h"

namespace rdpipe {

class ElasticSink final : public SinkAround {
 public:
  ElasticSink(std::shared_ptr<Sink> inner, const BufferOptions& options)
      : SinkAround(std::move(inner)), options_(options) {}
  ~ElasticSink() override { drop_inner(); }

  void start(Loop& loop, Ring& ring, std::optional<std::uint64_t> size) override;
  void write(Slot slot) override;
  void write_hole(Slot slot, std::uint64_t length) override;
  void poll() override;
  void finish() override;
  void stirred() override;
  [[nodiscard]] std::uint64_t taken() const override;
  [[nodiscard]] std::optional<std::size_t> backlog() const override;
  [[nodiscard]] std::optional<BufferFill> buffer() const override {
    return fifo_ ? std::optional(fifo_->fill()) : std::nullopt;
  }
  [[nodiscard]] int fill_percent() const noexcept { return fifo_ ? fifo_->fill_percent() : 0; }

 private:
  // What has arrived and found no room yet. `done` of the slot's bytes did.
  struct Waiting {
    Slot slot;
    std::uint64_t hole = 0;
    std::size_t done = 0;
  };
  [[nodiscard]] bool passes_through();
  [[nodiscard]] bool is_better_later() const;
  [[nodiscard]] std::size_t slots_given() const;
  [[nodiscard]] std::size_t slots_with_inner() const;
  void store();
  [[nodiscard]] bool give();

  BufferOptions options_;
  Loop* loop_ = nullptr;
  std::size_t most_passed_on_ = 1;  // slots of the ring that the inner sink may hold
  std::size_t depth_ = 2;           // slots of the buffer that it may hold
  std::deque<Waiting> waiting_;
  std::optional<MemoryFifo> fifo_;
  std::uint64_t given_ = 0;  // slots of the buffer, so far
};

}  // namespace rdpipe
