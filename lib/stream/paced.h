// A source that gives, and a sink that takes, no more than so many bytes a second, a slot at a time: the
// smaller the slots, the smoother. Holes cost nothing. One thread, that of the loop.
#pragma once

#include <deque>
#include <memory>
#include <optional>

#include "stream/around.h"
#include "stream/pace.h"

namespace rdpipe {

class PacedSource final : public SourceAround {
 public:
  PacedSource(std::shared_ptr<Source> inner, std::uint64_t bytes_per_second)
      : SourceAround(std::move(inner)), pace_(bytes_per_second) {}

  void start(Loop& loop, Ring& ring, std::size_t max_payload) override;
  [[nodiscard]] std::optional<SourceEvent> poll(bool urgent) override;
  [[nodiscard]] std::uint64_t taken() const override { return inner().taken() + waits_; }

 private:
  Pace pace_;
  Loop* loop_ = nullptr;
  std::uint64_t waits_ = 0;  // a wait for the rate is no standstill
};

class PacedSink final : public SinkAround {
 public:
  PacedSink(std::shared_ptr<Sink> inner, std::uint64_t bytes_per_second)
      : SinkAround(std::move(inner)), pace_(bytes_per_second) {}

  void start(Loop& loop, Ring& ring, std::optional<std::uint64_t> size) override;
  void write(Slot slot) override;
  void write_hole(Slot slot, std::uint64_t length) override;
  void poll() override;
  [[nodiscard]] std::optional<std::size_t> backlog() const override;
  [[nodiscard]] std::uint64_t taken() const override { return inner().taken() + waits_; }

 private:
  struct Piece {
    Slot slot;
    std::uint64_t hole = 0;  // its length; 0: the slot's bytes
  };
  [[nodiscard]] bool give();

  Pace pace_;
  Loop* loop_ = nullptr;
  std::deque<Piece> pieces_;
  std::uint64_t waits_ = 0;  // a wait for the rate is no standstill
};

}  // namespace rdpipe
