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

void Slot::resize(std::size_t size) {
  assert(size <= ring_->shape_.slot_size);
  size_ = size;
}

Ring::Ring(RingShape shape) : shape_(shape) {
  assert(shape.slot_size % kPageSize == 0 && shape.slot_size >= kPageSize && shape.slots >= 2);
  const std::size_t bytes = header_area(shape) + shape.payload_bytes();
  const std::string attempt = "reserve a ring of " + format_size(bytes);
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  check(memory == MAP_FAILED ? -1 : 0, Status::kMemory, attempt);
  memory_ = {static_cast<std::byte*>(memory), bytes};
  free_.reserve(shape.slots);
  for (std::size_t i = shape.slots; i-- > 0;) free_.push_back(static_cast<std::uint32_t>(i));
}

Ring::~Ring() {
  assert(free_.size() == shape_.slots && "a slot outlived its ring");
  ::munmap(memory_.data(), memory_.size());
}

std::optional<Slot> Ring::acquire() {
  if (free_.empty()) return {};
  const std::uint32_t index = free_.back();
  free_.pop_back();
  return Slot(*this, index);
}

}  // namespace rdpipe
