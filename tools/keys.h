// Where a key comes from: a file, a descriptor, the environment or the terminal.
#pragma once

#include "interrupts.h"
#include "key_text.h"
#include "settings.h"

namespace rdpipe::tools {

// The key's text; a signal ends the waiting for it. Throws Error{kAuthentication} where there is none.
[[nodiscard]] KeyText read_key(KeyChoice choice, Interrupts& interrupts);

}  // namespace rdpipe::tools
