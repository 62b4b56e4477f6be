#include "copy_route.h"

#include <fmt/format.h>

#include <utility>

#include <rdpipe/serve.h>

namespace rdpipe::tools {
namespace {

std::uint16_t server_port(const LaunchOptions& launch) {
  if (launch.lowest_port != launch.highest_port) {
    throw Error(Status::kUsage, "option --port", "a server listens on one port, not on a range");
  }
  return launch.lowest_port != 0 ? launch.lowest_port : kServerPort;
}

HostPath parse(const std::string& operand, const CopySettings& settings) {
  HostPath path = parse_host_path(operand);
  if (path.server && path.port == 0) path.port = server_port(settings.launch);
  return path;
}

void check_servers(const CopyRoute& route, const CopySettings& settings) {
  if (!route.has_server()) return;
  if (route.from.is_remote() && route.to.is_remote()) {
    throw Error(Status::kUsage, "", "the other end of a copy to or from a server is this host",
                "copy through this host: in two steps");
  }
  if (route.from.server && settings.copy.remove_source_files) {
    throw Error(Status::kUsage, "option --remove-source-files",
                "a server's files are not removed by who reads them");
  }
}

}  // namespace

CopyRoute route_of(const CopySettings& settings) {
  std::vector<std::string> operands = settings.operands;
  if (!settings.target_directory.empty()) operands.push_back(settings.target_directory);
  if (operands.size() < 2) {
    throw Error(Status::kUsage, "", operands.empty() ? "SRC and DST are missing" : "DST is missing",
                "see --help");
  }
  CopyRoute route;
  route.to = parse(operands.back(), settings);
  operands.pop_back();
  for (const std::string& operand : operands) {
    HostPath source = parse(operand, settings);
    if (route.sources.empty()) route.from = source;
    if (!source.same_host(route.from)) {
      throw Error(Status::kUsage, "", "the sources are on several hosts", "copy from one host at a time");
    }
    route.sources.push_back(std::move(source.path));
  }
  if (settings.copy.files_from && route.sources.size() != 1) {
    throw Error(Status::kUsage, "option --files-from", "it takes exactly one SRC, the directory");
  }
  check_servers(route, settings);
  return route;
}

std::vector<std::string> requested_names(const CopyRoute& route) {
  if (route.from.server) return route.sources;  // no home there
  std::vector<std::string> names;
  for (const std::string& source : route.sources) {
    // Which directory a bare "~" is only the other end knows.
    const bool home = source.starts_with('~') && source.find('/') == std::string::npos;
    names.push_back(home ? "*" : source);
  }
  return names;
}

}  // namespace rdpipe::tools
