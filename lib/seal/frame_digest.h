// A digest of one frame, in the frame: header and payload are checked before anything of them is used. It
// detects damage; it is no defence against forgery. Any thread that may touch the slot.
#pragma once

#include <span>

#include "ring/ring.h"
#include "seal/digest.h"

namespace rdpipe {

// Completes slot.header(), which is encoded already: flag, and in `tag` the XXH3-128 (canonical) of the
// header, its tag and credit fields zero, followed by slot.filled() where that is at most 960 bytes, and by
// its leaves_of() otherwise. `leaves`: those, where they are there already.
void stamp(Slot& slot, std::span<const Digest128> leaves = {});
// False when header or payload are not those that were stamped. The credit fields do not count.
[[nodiscard]] bool is_intact(const Slot& slot);

}  // namespace rdpipe
