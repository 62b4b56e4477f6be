// What arrives here on its way to the next receiver, as a source: slots of the ring it arrived in, shared
// with whoever else reads them. One thread, that of the loop.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>

#include "ring/ring.h"
#include "stream/source.h"

namespace rdpipe {

class ForwardSource final : public Source {
 public:
  // `copies`: what is sent lies where the link cannot reach it. Otherwise slots of the ring it is started
  // with need no payload, unless what is sent is altered on its way out.
  explicit ForwardSource(bool copies) : copies_(copies) {}

  void expect(std::optional<std::uint64_t> size) { size_ = size; }
  void give(SharedSlot slot) { pieces_.push_back({std::move(slot)}); }
  void give_hole(SharedSlot slot, std::uint64_t length) { pieces_.push_back({std::move(slot), length}); }
  void end() { ended_ = true; }
  void stir() { ++stirrings_; }  // whoever gives works on something
  [[nodiscard]] std::size_t waiting() const { return pieces_.size(); }

  void start(Loop& loop, Ring& ring, std::size_t max_payload) override;
  [[nodiscard]] std::optional<SourceEvent> poll(bool urgent) override;
  [[nodiscard]] std::uint64_t taken() const override { return stirrings_; }
  [[nodiscard]] std::optional<std::uint64_t> size_hint() const override { return size_; }
  [[nodiscard]] const std::string& name() const override { return name_; }

 private:
  struct Piece {
    SharedSlot slot;
    std::uint64_t hole = 0;  // its length; 0: the slot's bytes
  };
  std::string name_ = "what arrives";
  bool copies_;
  Ring* ring_ = nullptr;
  std::deque<Piece> pieces_;
  std::optional<std::uint64_t> size_;
  std::uint64_t stirrings_ = 0;
  bool ended_ = false;
};

}  // namespace rdpipe
