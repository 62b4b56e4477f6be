// One source that goes to several receivers: it is read once and digested once, and each piece of it is kept
// until every branch has taken it. Pieces lie in the slots that the source has filled: shared, not copied.
// When those run out because a branch is behind, and there is a buffer, the oldest are copied there, once,
// and whoever is behind takes them from there. One thread, that of the loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <optional>
#include <vector>

#include "ground/error.h"
#include "ring/ring.h"
#include "stream/progress.h"
#include "stream/source.h"
#include "stream/stream.h"

namespace rdpipe {

class Branch;
class Loop;

class Trunk {
 public:
  // `digest`: whether the stream is digested. `hash`: a conventional digest as well; empty: none.
  Trunk(std::shared_ptr<Source> source, bool digest, const std::string& hash);
  Trunk(const Trunk&) = delete;
  Trunk& operator=(const Trunk&) = delete;
  ~Trunk();  // no branch is left

  // From here on the source is read, into `ring`, which outlives this. `buffer_size`: bytes; 0: none.
  void start(Loop& loop, Ring& ring, std::size_t max_payload, std::size_t buffer_size);
  [[nodiscard]] bool started() const noexcept { return ring_ != nullptr; }
  // To be called in each turn of the loop; throws what the source throws, also what it threw when a branch
  // had it read: that is no failure of the branch.
  void attend();
  // Reads on, a piece where somebody waits for it, and where there is a buffer a bounded amount in any case.
  void read_ahead(bool somebody_waits);
  // More can only be read when a branch that is behind gets on.
  [[nodiscard]] bool is_full() const { return started() && !ended_ && room() == 0; }
  // A number that grows while the source gets on.
  [[nodiscard]] std::uint64_t taken() const { return started() ? source_->taken() : 0; }
  // Pieces that not every branch has taken.
  [[nodiscard]] std::size_t pieces() const noexcept { return pieces_.size(); }

  [[nodiscard]] const Source& source() const noexcept { return *source_; }
  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }  // that were read
  [[nodiscard]] BufferFill fill() const;
  [[nodiscard]] Digest128 root() const { return digests_.root().value(); }
  // Both digests, of what was read; once.
  void finish(StreamResult& result) { digests_.finish(result); }

 private:
  friend class Branch;
  struct Piece {
    std::optional<SharedSlot> slot{};  // none: a hole
    std::uint64_t hole = 0;            // its length
    std::size_t takers = 0;            // branches that take it next
  };
  using Pieces = std::list<Piece>;

  // Appends a piece, or meets the end. False: there is nothing to be had now.
  [[nodiscard]] bool read(bool urgent);
  void take(SourceEvent event);
  void take_hole();
  void append(Piece piece);
  void join_hole(Pieces::iterator piece);
  void drop_taken();
  // Slots that are free to be read into, or will be read into next.
  [[nodiscard]] std::size_t room() const { return ring_->free_slots() + source_->empty_slots(); }
  [[nodiscard]] bool is_in_ring(const Piece& piece) const { return piece.slot && piece.slot->is_of(*ring_); }
  // Nobody has posted it: once it is copied, its slot is free.
  [[nodiscard]] bool may_spill(const Piece& piece) const {
    return is_in_ring(piece) && piece.slot->is_last();
  }
  void make_room();
  [[nodiscard]] bool fits_behind(const Piece& piece, const Slot& slot) const;
  [[nodiscard]] std::optional<Slot> slot_before(Pieces::iterator piece);
  [[nodiscard]] bool spill_oldest();

  std::shared_ptr<Source> source_;
  StreamDigests digests_;
  Loop* loop_ = nullptr;
  Ring* ring_ = nullptr;
  std::optional<Ring> buffer_;
  std::uint64_t hole_ = 0;  // of what the source gave, not yet a piece
  std::uint64_t bytes_ = 0;
  std::uint64_t held_ = 0;  // bytes of the pieces
  bool ended_ = false;
  std::optional<Error> failure_;
  std::vector<Branch*> branches_;
  Pieces pieces_;                         // after the rings whose slots they are
  std::deque<Pieces::iterator> in_ring_;  // of these, in their order; of the buffer there may be many more
};

// What one receiver is sent of it. In each slot of its ring there is only a header, unless `copies`: then it
// has room for a payload, for what lies in the buffer, which the link cannot reach.
class Branch final : public Source {
 public:
  Branch(Trunk& trunk, bool copies);
  ~Branch() override;

  // Of its slots at most so many are on their way at once: whoever gets on no more holds no more of the
  // trunk's.
  void limit(std::size_t slots) noexcept { limit_ = slots; }
  // It has taken all that was read.
  [[nodiscard]] bool is_level() const { return next_ == trunk_.pieces_.end(); }
  // There is a slot for what it takes next.
  [[nodiscard]] bool has_slot() const {
    return ring_->free_slots() > 0 && ring_->shape().slots - ring_->free_slots() < limit_;
  }
  // poll() would give something though nothing more were read.
  [[nodiscard]] bool has_more() const;
  void stir() noexcept { ++stirs_; }  // what it waits for is no standstill

  void start(Loop& loop, Ring& ring, std::size_t max_payload) override;
  [[nodiscard]] std::optional<SourceEvent> poll(bool urgent) override;
  [[nodiscard]] std::uint64_t taken() const override { return stirs_; }
  [[nodiscard]] std::optional<std::uint64_t> size_hint() const override {
    return trunk_.source().size_hint();
  }
  [[nodiscard]] const std::string& name() const override { return trunk_.source().name(); }

 private:
  friend class Trunk;
  [[nodiscard]] SourceEvent give(Slot carrier);
  void advance();

  Trunk& trunk_;
  bool copies_;
  Ring* ring_ = nullptr;
  std::size_t limit_ = SIZE_MAX;
  Trunk::Pieces::iterator next_;
  std::uint64_t stirs_ = 0;
};

}  // namespace rdpipe
