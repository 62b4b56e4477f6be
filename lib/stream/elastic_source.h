// A source that is read on while the line is busy, into a buffer in memory beyond the ring; while that is
// empty, the inner source fills slots of the ring as if there were no buffer. One thread, that of the loop.
#pragma once

#include <memory>
#include <optional>

#include "stream/around.h"
#include "stream/memory_fifo.h"

namespace rdpipe {

class ElasticSource final : public SourceAround {
 public:
  ElasticSource(std::shared_ptr<Source> inner, const BufferOptions& options)
      : SourceAround(std::move(inner)), options_(options) {}
  ~ElasticSource() override { drop_inner(); }

  void start(Loop& loop, Ring& ring, std::size_t max_payload) override;
  [[nodiscard]] std::optional<SourceEvent> poll(bool urgent) override;
  void read_ahead() override;
  [[nodiscard]] std::uint64_t taken() const override { return taken_; }
  [[nodiscard]] std::optional<BufferFill> buffer() const override {
    return fifo_ ? std::optional(fifo_->fill()) : std::nullopt;
  }
  [[nodiscard]] int fill_percent() const noexcept { return fifo_ ? fifo_->fill_percent() : 0; }

 private:
  [[nodiscard]] std::size_t read_one(bool urgent);
  [[nodiscard]] std::optional<SourceEvent> give();
  void note_work();
  void choose_ring() { fifo_->ring().lend_from(fifo_->empty() ? ring_ : nullptr); }

  BufferOptions options_;
  Loop* loop_ = nullptr;
  Ring* ring_ = nullptr;
  std::optional<MemoryFifo> fifo_;
  std::uint64_t events_ = 0;
  std::uint64_t done_ = 0;  // of events and of the inner source, when it was looked at last
  std::uint64_t taken_ = 0;
  bool ended_ = false;  // the inner source
};

}  // namespace rdpipe
