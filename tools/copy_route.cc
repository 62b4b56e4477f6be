#include "copy_route.h"

#include <fmt/format.h>

#include <utility>

namespace rdpipe::tools {

CopyRoute route_of(const CopySettings& settings) {
  std::vector<std::string> operands = settings.operands;
  if (!settings.target_directory.empty()) operands.push_back(settings.target_directory);
  if (operands.size() < 2) {
    throw Error(Status::kUsage, "", operands.empty() ? "SRC and DST are missing" : "DST is missing",
                "see --help");
  }
  CopyRoute route;
  route.to = parse_host_path(operands.back());
  operands.pop_back();
  for (const std::string& operand : operands) {
    HostPath source = parse_host_path(operand);
    if (route.sources.empty()) route.from = source;
    if (!source.same_host(route.from)) {
      throw Error(Status::kUsage, "", "the sources are on several hosts", "copy from one host at a time");
    }
    route.sources.push_back(std::move(source.path));
  }
  if (settings.copy.files_from && route.sources.size() != 1) {
    throw Error(Status::kUsage, "option --files-from", "it takes exactly one SRC, the directory");
  }
  return route;
}

std::vector<std::string> requested_names(const std::vector<std::string>& sources) {
  std::vector<std::string> names;
  for (const std::string& source : sources) {
    // Which directory a bare "~" is only the other end knows.
    const bool home = source.starts_with('~') && source.find('/') == std::string::npos;
    names.push_back(home ? "*" : source);
  }
  return names;
}

}  // namespace rdpipe::tools
