// Where a key comes from: a file, a descriptor, the environment or the terminal.
#pragma once

#include <string>

#include "interrupts.h"
#include "settings.h"

namespace rdpipe::tools {

// The key's text; a signal ends the waiting for it. Throws Error{kAuthentication} where there is none. The
// caller wipes it.
[[nodiscard]] std::string read_key(const KeyChoice& choice, Interrupts& interrupts);

void wipe(std::string& text) noexcept;

}  // namespace rdpipe::tools
