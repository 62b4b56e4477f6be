// Memory and who holds it; knows no device, only whether there is one. A Ring is one anonymous mapping: an
// area of 64-byte frame headers and an area of payloads, each payload at a 4 KiB boundary. A Slot is one
// header and one payload. Whoever holds a Slot owns that memory: posting a slot moves it away, a completion
// moves it back, destroying it sends it home to the ring. A Ring and its slots belong to one thread; a worker
// may touch a slot's bytes while the owner holds the slot still.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "ground/units.h"
#include "wire/frame.h"

namespace rdpipe {

// What a ring is made of. slot_size: a multiple of 4 KiB, 4 KiB to 4 MiB. slots: 2 or more; to
// 65536 where a link uses them.
struct RingShape {
  std::size_t slot_size = 256_KiB;
  std::size_t slots = 16;

  [[nodiscard]] std::size_t payload_bytes() const { return slot_size * slots; }
  // The next smaller shape to try when memory cannot be pinned; nothing when there is none. It keeps the
  // slots until 8 are left, then makes them smaller, down to two of 4 KiB.
  [[nodiscard]] std::optional<RingShape> smaller() const;
  bool operator==(const RingShape&) const = default;
};

class Ring;
class SharedSlot;

class Slot {
 public:
  Slot() = default;  // holds nothing
  Slot(Slot&& other) noexcept;
  Slot& operator=(Slot&& other) noexcept;
  ~Slot() {
    if (ring_ != nullptr) go_home();
  }

  [[nodiscard]] explicit operator bool() const noexcept { return ring_ != nullptr; }
  [[nodiscard]] std::span<std::byte, kFrameHeaderSize> header() const;
  [[nodiscard]] std::span<std::byte> payload() const;  // all of it: slot_size bytes, 4 KiB-aligned
  [[nodiscard]] std::span<std::byte> filled() const {
    return (lender_ ? *lender_ : *this).payload().first(size_);
  }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }  // payload bytes in use
  void resize(std::size_t size);
  [[nodiscard]] std::uint32_t index() const noexcept { return index_; }  // 0 to slots - 1
  [[nodiscard]] bool is_of(const Ring& ring) const noexcept { return ring_ == &ring; }
  [[nodiscard]] SharedSlot share() &&;
  // The bytes of `lender`, which nobody may alter, take the place of its payload: with a header of its own,
  // and without a copy. Until it goes home, or own() copies them (its payload must then be large enough).
  void borrow(SharedSlot lender);
  [[nodiscard]] bool borrows() const noexcept { return lender_ != nullptr; }
  void own();
  // While this is held, what it borrows does not go home, so that own() may be called on a worker.
  [[nodiscard]] std::shared_ptr<const void> loan() const noexcept { return lender_; }

 private:
  friend class Ring;
  Slot(Ring& ring, std::uint32_t index) noexcept : ring_(&ring), index_(index) {}
  void go_home() noexcept;

  Ring* ring_ = nullptr;
  std::uint32_t index_ = 0;
  std::size_t size_ = 0;
  std::shared_ptr<const Slot> lender_;
};

// A filled slot that several owners read and none writes; home when the last one lets go. Same thread as the
// ring.
class SharedSlot {
 public:
  [[nodiscard]] std::span<const std::byte, kFrameHeaderSize> header() const { return slot_->header(); }
  [[nodiscard]] std::span<const std::byte> filled() const { return slot_->filled(); }
  [[nodiscard]] std::uint32_t index() const noexcept { return slot_->index(); }
  [[nodiscard]] bool is_of(const Ring& ring) const noexcept { return slot_->is_of(ring); }
  // Nobody else has it: when this goes, it goes home.
  [[nodiscard]] bool is_last() const noexcept { return slot_.use_count() == 1; }
  [[nodiscard]] Slot unshare() && { return std::move(*slot_); }  // only of the last

 private:
  friend class Slot;
  explicit SharedSlot(Slot slot) : slot_(std::make_shared<Slot>(std::move(slot))) {}
  std::shared_ptr<Slot> slot_;
};

inline SharedSlot Slot::share() && { return SharedSlot(std::move(*this)); }

class Ring {
 public:
  // Of the slots that were used and are home again `kept` keep their memory; the kernel gets back that of
  // others. Throws Error{kMemory}.
  explicit Ring(RingShape shape, std::size_t kept = SIZE_MAX);
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;
  ~Ring();  // every slot must be home

  [[nodiscard]] RingShape shape() const noexcept { return shape_; }
  // A free slot with size() 0, or nothing while all are held.
  [[nodiscard]] std::optional<Slot> acquire();
  [[nodiscard]] std::size_t free_slots() const noexcept {
    return free_.size() + cold_.size() + (shape_.slots - used_);
  }
  // While this is not null, slots of `lender` are handed out in place of its own; but for the last one, which
  // a slot of its own may wait for, unless all of its own are home.
  void lend_from(Ring* lender) noexcept { lender_ = lender; }
  // A device takes payloads from memory and puts them there: no thread copies them.
  void attach_device() noexcept { has_device_ = true; }
  [[nodiscard]] bool has_device() const noexcept { return has_device_; }
  // What is sent is digested: a worker that fills a slot does that too.
  void expect_leaves() noexcept { expects_leaves_ = true; }
  [[nodiscard]] bool expects_leaves() const noexcept { return expects_leaves_; }
  // Everything a device must be able to reach: headers and payloads, one contiguous range.
  [[nodiscard]] std::span<std::byte> memory() const noexcept { return memory_; }
  [[nodiscard]] std::span<std::byte> payloads() const noexcept {
    return memory_.last(shape_.payload_bytes());
  }

 private:
  friend class Slot;
  void give_back(std::uint32_t index) noexcept;
  [[nodiscard]] std::span<std::byte> payload(std::uint32_t index) const noexcept;

  RingShape shape_;
  std::size_t kept_;
  Ring* lender_ = nullptr;
  bool has_device_ = false;
  bool expects_leaves_ = false;
  std::span<std::byte> memory_;  // headers first, rounded up to a page, then payloads
  // Stacks, so that warm memory is used again first; capacity reserved.
  std::vector<std::uint32_t> free_;
  std::vector<std::uint32_t> cold_;  // without memory
  std::size_t used_ = 0;             // from this index on, slots were never used
};

inline void Slot::go_home() noexcept { ring_->give_back(index_); }

inline std::span<std::byte, kFrameHeaderSize> Slot::header() const {
  return ring_->memory_.subspan(index_ * kFrameHeaderSize).first<kFrameHeaderSize>();
}

inline std::span<std::byte> Slot::payload() const { return ring_->payload(index_); }

inline std::span<std::byte> Ring::payload(std::uint32_t index) const noexcept {
  return payloads().subspan(index * shape_.slot_size, shape_.slot_size);
}

}  // namespace rdpipe
