// A sink behind a buffer that is held up, and what fills the buffer.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <utility>

#include "ring/ring.h"
#include "stream/memory_ends.h"

namespace rdpipe {

constexpr std::size_t kSlot = 16_KiB;

// Holds all it gets until it is open.
class GatedSink : public MemorySink {
 public:
  void write(Slot slot) override { held_.push_back({std::move(slot), 0}); }
  void write_hole(Slot slot, std::uint64_t length) override { held_.push_back({std::move(slot), length}); }
  void poll() override {
    while (open && most > 0 && !held_.empty()) {
      --most;
      auto [slot, hole] = std::move(held_.front());
      held_.pop_front();
      if (hole > 0) ++holes;
      hole > 0 ? MemorySink::write_hole(std::move(slot), hole) : MemorySink::write(std::move(slot));
    }
  }
  std::optional<std::size_t> backlog() const override {
    return counts ? std::optional(held_.size()) : std::nullopt;
  }
  std::size_t slots_of(const Ring& ring) const {
    std::size_t count = 0;
    for (const auto& [slot, hole] : held_) count += slot.is_of(ring) ? 1U : 0U;
    return count;
  }
  bool committed() const override { return finished && held_.empty(); }

  bool open = false;
  bool counts = true;           // its backlog
  std::size_t most = SIZE_MAX;  // that it takes while it is open
  std::size_t holes = 0;

 private:
  std::deque<std::pair<Slot, std::uint64_t>> held_;
};

// Writes `bytes` in full slots as long as the ring has any; returns how many went.
inline std::size_t write_all(Sink& sink, Ring& ring, std::span<const std::byte> bytes) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    auto slot = ring.acquire();
    if (!slot) break;
    const std::size_t count = std::min(kSlot, bytes.size() - done);
    std::copy_n(bytes.subspan(done).begin(), count, slot->payload().begin());
    slot->resize(count);
    sink.write(std::move(*slot));
    done += count;
  }
  return done;
}

}  // namespace rdpipe
