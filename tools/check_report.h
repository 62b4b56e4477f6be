// What a check has found, for people and for programs.
#pragma once

#include <string>

#include <rdpipe/check.h>

namespace rdpipe::tools {

// A line for each finding, one more for its remedy, and the summary.
[[nodiscard]] std::string check_text(const CheckReport& report);
// One JSON object, in one line; rdping(1) has its schema.
[[nodiscard]] std::string check_json(const CheckReport& report);

}  // namespace rdpipe::tools
