// What the words that are no options are to rdsend and rdrecv: where the other end is, KEY and FILE. Pure,
// but for a look at RDPIPE_KEY and at what is there under a name that might be a key.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "settings.h"

namespace rdpipe::tools {

// "db2:9090", "[fe80::1]:9090".
[[nodiscard]] Target target_value(const char* option, const std::string& text);
[[nodiscard]] std::string port_value(const char* option, const std::string& text);

// How many stand in front of a `--` that begins a command.
[[nodiscard]] std::size_t required_operands(Tool tool, const Settings& settings);

// Sets what the options, and the command, have left open. A KEY is overwritten in `argv`; `operands` are
// indices into it. Throws Error{kUsage}, and Error{kAuthentication} where what should be KEY is none.
void assign_operands(Tool tool, char** argv, const std::vector<int>& operands, Settings& settings);

}  // namespace rdpipe::tools
