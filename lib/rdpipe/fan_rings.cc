#include "rdpipe/fan_rings.h"

#include <algorithm>

#include "rdpipe/fabric_options.h"

namespace rdpipe {
namespace {

constexpr std::size_t kMostHeld = 4;  // by one receiver
constexpr std::size_t kForTheSource = 4;
constexpr std::size_t kMostSlots = 65536;          // of a ring
constexpr RingShape kUsualRdmaShape{256_KiB, 20};  // what is pinned is pinned once for each receiver

}  // namespace

RingShape ring_of_one(const Options& options, Fabric fabric, std::size_t max_payload) {
  RingShape shape = stream_ring_shape(options, fabric, false);
  const bool is_usual = options.slot_size == 0 && options.ring_size == 0;
  const bool is_large = fabric == Fabric::kRdma && shape.slot_size > kUsualRdmaShape.slot_size;
  if (is_usual && is_large) shape = kUsualRdmaShape;
  const std::size_t slot = std::min(shape.slot_size, max_payload);
  return {slot, std::clamp<std::size_t>(shape.payload_bytes() / slot, 2, kMostSlots)};
}

RingShape ring_of_all(const Options& options, Fabric fabric, std::size_t max_payload, std::size_t receivers) {
  RingShape shape = ring_of_one(options, fabric, max_payload);
  if (options.ring_size > 0) return shape;
  const std::size_t held = fabric == Fabric::kRdma ? kMostHeld / 2 : kMostHeld;
  shape.slots = std::clamp(held * receivers + kForTheSource, shape.slots, kMostSlots);
  return shape;
}

RingShape ring_of_headers(std::size_t slot_size, bool copies) {
  return {copies ? slot_size : kPageSize, kMostHeld + 1};
}

std::size_t share_of_each(RingShape shape, std::size_t receivers) {
  return std::clamp<std::size_t>((shape.slots - 2) / receivers, 1, kMostHeld);
}

}  // namespace rdpipe
