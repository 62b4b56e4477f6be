// Whether a program can be started, asked before anybody waits for it.
#pragma once

#include <string>

namespace rdpipe::tools {

// Throws Error{kCommand} where `name`, a path or a name to be looked up in PATH, is no program.
void require_program(const std::string& name);

}  // namespace rdpipe::tools
