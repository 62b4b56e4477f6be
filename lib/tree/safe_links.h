// What --safe-links leaves out. Pure; any thread.
#pragma once

#include <string_view>

namespace rdpipe {

// Whether a symlink in `directory` (from the top of the transfer) is absolute or climbs above that top: where
// the sources lie, as in rsync. So may one with a ".." behind anything else: where that leads is not to be
// seen from its text.
[[nodiscard]] bool leads_out(std::string_view directory, std::string_view target);

}  // namespace rdpipe
