// What an end of a copy tells a launcher that is no end of it, and a sender any launcher, as lines among
// those of its standard error. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "tree/copy.h"

namespace rdpipe {

struct ListedLine {
  std::string text;
};
struct UnremovedLine {
  std::string text;
};
using Told = std::variant<std::monostate, ListedLine, UnremovedLine, CopyProgress,
                          CopyReport>;  // monostate: none of them

[[nodiscard]] std::string listed_line(const std::string& text);
[[nodiscard]] std::string unremoved_line(const std::string& text);
[[nodiscard]] std::string progress_line(const CopyProgress& progress);
[[nodiscard]] std::string report_line(const CopyReport& report);
[[nodiscard]] Told parse_told(std::string_view line);

}  // namespace rdpipe
