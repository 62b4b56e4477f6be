#include "tree/safe_links.h"

#include <algorithm>
#include <cstddef>

namespace rdpipe {

bool leads_out(std::string_view directory, std::string_view target) {
  if (target.starts_with('/')) return true;
  auto depth = directory.empty() ? 0 : 1 + std::ranges::count(directory, '/');
  bool climbs = true;
  for (std::size_t from = 0; from < target.size();) {
    const std::size_t end = std::min(target.find('/', from), target.size());
    const auto part = target.substr(from, end - from);
    from = end + 1;
    if (part.empty()) continue;
    if (part == ".." && (!climbs || --depth < 0)) return true;
    climbs = part == "..";
  }
  return false;
}

}  // namespace rdpipe
