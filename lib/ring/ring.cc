#include "ring/ring.h"

#include <sys/mman.h>

#include <algorithm>
#include <cassert>
#include <utility>

#include "ground/error.h"

namespace rdpipe {
namespace {

std::size_t header_area(RingShape shape) { return round_up(shape.slots * kFrameHeaderSize, kPageSize); }

}  // namespace

std::optional<RingShape> RingShape::smaller() const {
  if (slots > 8) return RingShape{slot_size, slots / 2};
  if (slot_size > kPageSize) return RingShape{round_up(slot_size / 2, kPageSize), slots};
  if (slots > 2) return RingShape{slot_size, std::max<std::size_t>(2, slots / 2)};
  return {};
}

Slot::Slot(Slot&& other) noexcept
    : ring_(std::exchange(other.ring_, nullptr)),
      index_(other.index_),
      size_(other.size_),
      lender_(std::move(other.lender_)) {}

Slot& Slot::operator=(Slot&& other) noexcept {
  Slot taken(std::move(other));  // what this held goes home at the end of this call
  std::swap(ring_, taken.ring_);
  std::swap(index_, taken.index_);
  std::swap(size_, taken.size_);
  std::swap(lender_, taken.lender_);
  return *this;
}

void Slot::resize(std::size_t size) {
  assert(size <= ring_->shape_.slot_size);
  size_ = size;
}

void Slot::borrow(SharedSlot lender) {
  lender_ = std::move(lender.slot_);
  size_ = lender_->size();
}

void Slot::own() {
  if (!lender_) return;
  assert(size_ <= ring_->shape_.slot_size);
  std::ranges::copy(filled(), payload().begin());
  lender_.reset();
}

Ring::Ring(RingShape shape, std::size_t kept) : shape_(shape), kept_(kept) {
  assert(shape.slot_size % kPageSize == 0 && shape.slot_size >= kPageSize && shape.slots >= 2);
  const std::size_t bytes = header_area(shape) + shape.payload_bytes();
  const std::string attempt = "reserve a ring of " + format_size(bytes);
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  check(memory == MAP_FAILED ? -1 : 0, Status::kMemory, attempt);
  memory_ = {static_cast<std::byte*>(memory), bytes};
  free_.reserve(shape.slots);
  cold_.reserve(kept < shape.slots ? shape.slots : 0);
}

Ring::~Ring() {
  assert(free_slots() == shape_.slots && "a slot outlived its ring");
  ::munmap(memory_.data(), memory_.size());
}

std::optional<Slot> Ring::acquire() {
  const bool all_home = free_slots() == shape_.slots;
  if (lender_ != nullptr && (all_home || lender_->free_slots() > 1)) {
    if (auto slot = lender_->acquire()) return slot;
  }
  for (auto* const stack : {&free_, &cold_}) {
    if (stack->empty()) continue;
    const std::uint32_t index = stack->back();
    stack->pop_back();
    return Slot(*this, index);
  }
  if (used_ == shape_.slots) return {};
  return Slot(*this, static_cast<std::uint32_t>(used_++));
}

void Ring::give_back(std::uint32_t index) noexcept {
  if (free_.size() < kept_) return free_.push_back(index);
  const auto memory = payload(index);
  ::madvise(memory.data(), memory.size(), MADV_DONTNEED);
  cold_.push_back(index);
}

}  // namespace rdpipe
