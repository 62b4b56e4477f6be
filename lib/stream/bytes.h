// A stream as bytes in the caller's memory: the source that write() feeds, and the sink that read() empties.
#pragma once

#include <cstddef>
#include <deque>
#include <span>
#include <string>

#include "stream/sink.h"
#include "stream/source.h"

namespace rdpipe {

class BytesSource : public Source {
 public:
  // Borrows `bytes` until empty().
  void give(std::span<const std::byte> bytes) { rest_ = bytes; }
  void end() { ended_ = true; }
  [[nodiscard]] bool empty() const noexcept { return rest_.empty(); }

  void start(Loop& loop, Ring& ring, std::size_t max_payload) override;
  [[nodiscard]] std::optional<SourceEvent> poll(bool urgent) override;
  [[nodiscard]] std::optional<std::uint64_t> size_hint() const override { return {}; }
  [[nodiscard]] const std::string& name() const override { return name_; }

 private:
  std::string name_ = "bytes";
  Ring* ring_ = nullptr;
  std::size_t max_payload_ = 0;
  std::span<const std::byte> rest_;
  std::optional<Slot> slot_;  // being filled
  bool ended_ = false;
};

class BytesSink : public Sink {
 public:
  // Copies what has arrived, at most into.size() bytes; 0: nothing yet.
  [[nodiscard]] std::size_t take(std::span<std::byte> into);

  void start(Loop& loop, Ring&, std::optional<std::uint64_t>) override { loop_ = &loop; }
  void write(Slot slot) override {
    const std::size_t length = slot.size();
    pieces_.push_back(Piece{std::move(slot), length});
  }
  void write_hole(Slot slot, std::uint64_t length) override {
    pieces_.push_back(Piece{std::move(slot), length});
  }
  void poll() override;
  void finish() override { finishing_ = true; }
  [[nodiscard]] bool committed() const override { return finishing_ && pieces_.empty(); }  // all was taken
  [[nodiscard]] const std::string& name() const override { return name_; }

 private:
  struct Piece {
    Slot slot;                 // of size() 0: a hole
    std::uint64_t length = 0;  // of the stream, bytes
    std::uint64_t done = 0;
  };
  std::string name_ = "bytes";
  Loop* loop_ = nullptr;
  std::deque<Piece> pieces_;
  bool finishing_ = false;
};

}  // namespace rdpipe
