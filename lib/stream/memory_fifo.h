// Pieces of a stream that wait in memory, in their order: what makes a buffer elastic. Its memory is a ring
// of its own that no device knows: reserved at once, touched only where something is put, and given back when
// that is taken. With the watermarks of mbuffer: when whoever takes begins, and when whoever puts goes on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "ring/ring.h"
#include "seal/digest.h"
#include "stream/progress.h"

namespace rdpipe {

struct BufferOptions {
  static constexpr std::size_t kLeast = 2 * kPageSize;

  std::size_t size = 0;  // bytes, kLeast at least
  int start_write = 0;   // per cent, 0 to 100: an empty buffer fills so far before anything is taken
  int start_read = 100;  // per cent, 1 to 100: a full one is emptied below this before anything is put
};

class MemoryFifo {
 public:
  // What counts as held: what waits here, or also what was taken and is with whoever took it.
  enum class Held : std::uint8_t { kUntilTaken, kUntilHome };

  struct Piece {
    Slot slot;                        // of any ring
    std::uint64_t hole = 0;           // its length; 0: the slot's bytes
    std::vector<Digest128> leaves{};  // of those, if they are there already
  };

  // `largest_slot`: a multiple of 4 KiB. Throws Error{kMemory} when so much address space is not to be had.
  MemoryFifo(const BufferOptions& options, std::size_t largest_slot, Held until);

  // All slots of this ring together are the buffer.
  [[nodiscard]] Ring& ring() noexcept { return ring_; }
  [[nodiscard]] const Ring& ring() const noexcept { return ring_; }
  [[nodiscard]] bool empty() const noexcept { return pieces_.empty(); }
  [[nodiscard]] std::size_t stored() const noexcept { return stored_; }  // slots of its own
  [[nodiscard]] int fill_percent() const noexcept;
  [[nodiscard]] BufferFill fill() const;

  void push(Piece piece);
  // Copies from the front of `bytes` as much as there is room for, and says how much.
  [[nodiscard]] std::size_t append(std::span<const std::byte> bytes);
  // `length`: 1 to kMaxHoleLength. False: there is no slot for it.
  [[nodiscard]] bool append_hole(std::uint64_t length);
  // The only piece there is, and one that more may be appended to: taken now, it would waste its slot's room.
  [[nodiscard]] bool grows() const noexcept { return pieces_.size() == 1 && room() > 0 && !ended_; }
  [[nodiscard]] const Piece& front() const { return pieces_.front(); }
  [[nodiscard]] Piece take();

  // Nothing more will be put: watermarks count no more.
  void end() noexcept { ended_ = true; }
  [[nodiscard]] bool takes();  // more may be put, as far as the watermarks go
  [[nodiscard]] bool gives();  // what is there may be taken

 private:
  [[nodiscard]] std::size_t size() const noexcept { return ring_.shape().payload_bytes(); }
  [[nodiscard]] std::size_t held() const noexcept;  // bytes: of whole slots, but for the room in the last
  [[nodiscard]] std::size_t room() const noexcept;  // bytes that the last piece can grow by
  [[nodiscard]] bool full() const noexcept { return ring_.free_slots() == 0 && room() == 0; }
  [[nodiscard]] bool holds_per_cent(int mark) const noexcept {
    return held() * 100 >= static_cast<std::size_t>(mark) * size();
  }

  BufferOptions options_;
  Ring ring_;
  Held until_;
  std::deque<Piece> pieces_;
  std::size_t stored_ = 0;
  bool growing_ = false;  // the last piece, by append()
  bool filling_ = true;   // up to start_write
  bool paused_ = false;   // until start_read
  bool ended_ = false;
};

}  // namespace rdpipe
