// How large the rings of a stream to several receivers are. Pure.
#pragma once

#include <cstddef>
#include <cstdint>

#include <rdpipe/options.h>

#include "ring/ring.h"
#include "transport/link.h"

namespace rdpipe {

// Of one receiver over `fabric`: what it is offered, and what is altered for it lies in. Of slots of
// `max_payload` bytes at most.
[[nodiscard]] RingShape ring_of_one(const Options& options, Fabric fabric,
                                    std::size_t max_payload = SIZE_MAX);
// The ring of all, which share it. `fabric`: RDMA, where it is that of any.
[[nodiscard]] RingShape ring_of_all(const Options& options, Fabric fabric, std::size_t max_payload,
                                    std::size_t receivers);
// The ring of one of them, of headers, and of payloads only where it `copies` some.
[[nodiscard]] RingShape ring_of_headers(std::size_t slot_size, bool copies);
// Of a ring of all, the slots that one receiver may hold, which may be one that has stopped.
[[nodiscard]] std::size_t share_of_each(RingShape shape, std::size_t receivers);

}  // namespace rdpipe
