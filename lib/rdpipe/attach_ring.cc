#include "rdpipe/attach_ring.h"

#include <fmt/format.h>

#include <optional>

#include "ground/error.h"
#include "ground/units.h"

namespace rdpipe {

std::unique_ptr<Ring> attach_ring(Link& link, RingShape shape,
                                  const std::function<void(const std::string&)>& notice,
                                  std::size_t least_slots) {
  const std::size_t wanted = shape.payload_bytes();
  std::optional<Error> refusal;
  for (;;) {
    auto ring = std::make_unique<Ring>(shape);
    try {
      link.attach(*ring);
      if (refusal) {
        notice(fmt::format("the ring is {}, not {}: {}", format_size(shape.payload_bytes()),
                           format_size(wanted), text_with_hint(*refusal)));
      }
      return ring;
    } catch (const Error& error) {
      const auto smaller = shape.smaller();
      if (error.status() != Status::kMemory || !smaller || smaller->slots < least_slots) throw;
      shape = *smaller;
      if (!refusal) refusal = error;
    }
  }
}

}  // namespace rdpipe
