#include "rdpipe/attach_ring.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "ground/error.h"
#include "ground/units.h"

namespace rdpipe {
namespace {

using Rings = std::vector<std::unique_ptr<Ring>>;
using Notice = std::function<void(const std::string&)>;

// What links have attached, until it is kept: undone when not all of it can be.
class Attached {
 public:
  Attached() = default;
  Attached(const Attached&) = delete;
  Attached& operator=(const Attached&) = delete;
  ~Attached() {
    for (const auto& [link, ring] : pairs_) link->detach(*ring);
  }
  void attach(Link& link, Ring& ring) {
    link.attach(ring);
    pairs_.emplace_back(&link, &ring);
  }
  void keep() { pairs_.clear(); }

 private:
  std::vector<std::pair<Link*, Ring*>> pairs_;
};

// What `attach` makes of the largest shape of which it does not throw Error{kMemory}.
template <typename Attach>
auto attach_largest(RingShape shape, const Notice& notice, std::size_t least_slots, Attach attach) {
  const std::size_t wanted = shape.payload_bytes();
  std::optional<Error> first_refusal;
  for (;;) {
    try {
      auto attached = attach(shape);
      if (first_refusal) {
        notice(fmt::format("the ring is {}, not {}: {}", format_size(shape.payload_bytes()),
                           format_size(wanted), text_with_hint(*first_refusal)));
      }
      return attached;
    } catch (const Error& refusal) {
      const auto smaller = shape.smaller();
      if (refusal.status() != Status::kMemory || !smaller || smaller->slots < least_slots) throw;
      shape = *smaller;
      if (!first_refusal) first_refusal = refusal;
    }
  }
}

}  // namespace

Rings attach_rings(Link& link, RingShape shape, std::size_t count, const Notice& notice,
                   std::size_t least_slots) {
  return attach_largest(shape, notice, least_slots, [&](RingShape its_shape) {
    Rings rings;
    Attached attached;
    while (rings.size() < count) {
      rings.push_back(std::make_unique<Ring>(its_shape));
      attached.attach(link, *rings.back());
    }
    attached.keep();
    return rings;
  });
}

std::unique_ptr<Ring> attach_shared_ring(const std::vector<Link*>& links, RingShape shape,
                                         const Notice& notice) {
  return attach_largest(shape, notice, 2, [&](RingShape its_shape) {
    auto ring = std::make_unique<Ring>(its_shape);
    Attached attached;
    for (Link* link : links) attached.attach(*link, *ring);
    attached.keep();
    return ring;
  });
}

std::unique_ptr<Ring> attach_ring(Link& link, RingShape shape,
                                  const std::function<void(const std::string&)>& notice,
                                  std::size_t least_slots) {
  return std::move(attach_rings(link, shape, 1, notice, least_slots).front());
}

AttachedRing::AttachedRing(Loop& loop, const std::vector<Link*>& links, RingShape shape, const Notice& notice)
    : loop_(loop), ring_(attach_shared_ring(links, shape, notice)) {
  if (ring_->has_device()) return;
  static_cast<void>(loop.register_memory(ring_->memory()));  // where it may not, plain I/O does
}

}  // namespace rdpipe
