// Where a key comes from: a file, a descriptor, the environment or the terminal.
#pragma once

#include <string>

#include "settings.h"

namespace rdpipe::tools {

// The key's text. Throws Error{kAuthentication} where there is none. The caller wipes it.
[[nodiscard]] std::string read_key(const KeyChoice& choice);

void wipe(std::string& text) noexcept;

}  // namespace rdpipe::tools
