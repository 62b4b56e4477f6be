#include "rdpipe/attach_ring.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "ground/error.h"
#include "ground/units.h"

namespace rdpipe {
namespace {

using Rings = std::vector<std::unique_ptr<Ring>>;

// All of them, or none and why.
Rings try_to_attach(const Links& links, RingShape shape, std::size_t count, std::optional<Error>& refusal) {
  Rings rings;
  try {
    while (rings.size() < count) {
      rings.push_back(std::make_unique<Ring>(shape));
      for (Link* link : links) link->attach(*rings.back());
    }
  } catch (const Error& error) {
    if (error.status() != Status::kMemory) throw;
    refusal = error;
    for (const auto& ring : rings) {
      for (Link* link : links) link->detach(*ring);
    }
    rings.clear();
  }
  return rings;
}

Rings attach_all(const Links& links, RingShape shape, std::size_t count,
                 const std::function<void(const std::string&)>& notice, std::size_t least_slots) {
  const std::size_t wanted = shape.payload_bytes();
  std::optional<Error> first_refusal;
  for (;;) {
    std::optional<Error> refusal;
    Rings rings = try_to_attach(links, shape, count, refusal);
    if (!refusal) {
      if (first_refusal) {
        notice(fmt::format("the ring is {}, not {}: {}", format_size(shape.payload_bytes()),
                           format_size(wanted), text_with_hint(*first_refusal)));
      }
      return rings;
    }
    const auto smaller = shape.smaller();
    if (!smaller || smaller->slots < least_slots) throw Error(*refusal);
    shape = *smaller;
    if (!first_refusal) first_refusal = std::move(refusal);
  }
}

}  // namespace

Rings attach_rings(Link& link, RingShape shape, std::size_t count,
                   const std::function<void(const std::string&)>& notice, std::size_t least_slots) {
  return attach_all({&link}, shape, count, notice, least_slots);
}

std::unique_ptr<Ring> attach_ring(Link& link, RingShape shape,
                                  const std::function<void(const std::string&)>& notice,
                                  std::size_t least_slots) {
  return std::move(attach_all({&link}, shape, 1, notice, least_slots).front());
}

std::unique_ptr<Ring> attach_ring(const Links& links, RingShape shape,
                                  const std::function<void(const std::string&)>& notice) {
  return std::move(attach_all(links, shape, 1, notice, 2).front());
}

AttachedRing::AttachedRing(Loop& loop, const Links& links, RingShape shape,
                           const std::function<void(const std::string&)>& notice)
    : loop_(loop), ring_(attach_ring(links, shape, notice)) {
  const auto is_rdma = [](const Link* link) { return link->info().fabric == Fabric::kRdma; };
  if (std::ranges::any_of(links, is_rdma)) return;
  static_cast<void>(loop.register_memory(ring_->memory()));  // where it may not, plain I/O does
}

}  // namespace rdpipe
