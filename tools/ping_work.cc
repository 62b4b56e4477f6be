#include "ping_work.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <rdpipe/error.h>

#include "report.h"

namespace rdpipe::tools {

void print_out(const std::string& line) {
  if (std::fputs((line + "\n").c_str(), stdout) >= 0 && std::fflush(stdout) == 0) return;
  throw Error(Status::kFileIo, "write to standard output", std::strerror(errno));
}

void print_ping_notice(const std::string& text) { print_line("rdping: " + text); }

std::unique_ptr<Registry> registry_of_environment(Loop& loop) {
  const char* url = std::getenv("RDPIPE_REGISTRY");
  if (url == nullptr || *url == '\0') return {};
  return std::make_unique<Registry>(loop, url);
}

FoundEndpoint find_ping_server(Loop& loop, EndpointName name, const PingSettings& settings,
                               Deadline deadline) {
  const FabricOptions options = fabric_options(settings.connection);
  const auto registry = registry_of_environment(loop);
  if (!registry) return find_endpoint(loop, name, options, deadline);
  if (name.name.empty()) name.name = std::string("0");
  return find_registered(loop, *registry, text_of(name), options, deadline);
}

}  // namespace rdpipe::tools
