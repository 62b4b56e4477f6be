#include "rdpipe/attach_ring.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "ground/error.h"
#include "ground/units.h"

namespace rdpipe {
namespace {

using Rings = std::vector<std::unique_ptr<Ring>>;

// All of them, or none and why.
Rings try_to_attach(Link& link, RingShape shape, std::size_t count, std::optional<Error>& refusal) {
  Rings rings;
  try {
    while (rings.size() < count) {
      rings.push_back(std::make_unique<Ring>(shape));
      link.attach(*rings.back());
    }
  } catch (const Error& error) {
    if (error.status() != Status::kMemory) throw;
    refusal = error;
    for (const auto& ring : rings) link.detach(*ring);
    rings.clear();
  }
  return rings;
}

}  // namespace

Rings attach_rings(Link& link, RingShape shape, std::size_t count,
                   const std::function<void(const std::string&)>& notice, std::size_t least_slots) {
  const std::size_t wanted = shape.payload_bytes();
  std::optional<Error> first_refusal;
  for (;;) {
    std::optional<Error> refusal;
    Rings rings = try_to_attach(link, shape, count, refusal);
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

std::unique_ptr<Ring> attach_ring(Link& link, RingShape shape,
                                  const std::function<void(const std::string&)>& notice,
                                  std::size_t least_slots) {
  return std::move(attach_rings(link, shape, 1, notice, least_slots).front());
}

}  // namespace rdpipe
