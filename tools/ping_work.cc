#include "ping_work.h"

#include <cstdlib>

#include <rdpipe/error.h>

#include "report.h"

namespace rdpipe::tools {

void print_out(const std::string& line) { print_answer(line + "\n"); }

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
