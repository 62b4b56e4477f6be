// rdcp SRC... DST: copies files and trees, here, to and from any host that ssh reaches, or an rdcp server,
// which it also is; exit 0 means that every file is complete, checked, and in its place.
#include <cstdlib>

#include "copy_client.h"
#include "copy_route.h"
#include "display.h"
#include "monitor.h"
#include "serve.h"
#include "serve_launcher.h"
#include "tool.h"

namespace {

using namespace rdpipe;         // NOLINT(google-build-using-namespace): a program's one file
using namespace rdpipe::tools;  // NOLINT(google-build-using-namespace): its own floor

std::string remote_shell(const std::string& chosen) {
  if (!chosen.empty()) return chosen;
  for (const char* name : {"RDCP_RSH", "RSYNC_RSH"}) {
    if (const char* value = std::getenv(name); value != nullptr && *value != '\0') return value;
  }
  return {};
}

CopyReport push(Launcher& launcher, const CopySettings& settings, const CopyRoute& route) {
  const auto words = words_for_peer(settings, PeerRole::kReceiver, false, {route.to.path});
  Connection connection = launcher.connect(route.to, words);
  return connection.send_tree(route.sources, settings.copy);
}

CopyReport pull(Launcher& launcher, const CopySettings& settings, const CopyRoute& route) {
  const auto words = words_for_peer(settings, PeerRole::kSender, false, route.sources);
  Connection connection = launcher.connect(route.from, words);
  return connection.receive_tree(route.to.path, settings.copy);
}

CopyReport between(Launcher& launcher, const CopySettings& settings, const CopyRoute& route) {
  return launcher.copy_between(route.from, words_for_peer(settings, PeerRole::kSender, true, route.sources),
                               route.to, words_for_peer(settings, PeerRole::kReceiver, true, {route.to.path}),
                               settings.copy);
}

CopyReport copy_with_shell(const CopyRoute& route, const CopySettings& settings, const Options& connection) {
  Launcher launcher(settings.launch, connection);
  if (route.from.is_remote() && route.to.is_remote()) return between(launcher, settings, route);
  CopyReport report =
      route.to.is_remote() ? push(launcher, settings, route) : pull(launcher, settings, route);
  if (route.from.is_remote() && settings.copy.remove_source_files) {
    launcher.finish_removing(report);
  } else {
    static_cast<void>(launcher.finish());  // both ends have said how it went
  }
  return report;
}

CopyReport copy_along(const CopyRoute& route, const CommandLine& line) {
  if (route.has_server()) return copy_with_server(route, line);
  const Options& connection = line.settings.connection;
  if (route.from.is_remote() || route.to.is_remote()) return copy_with_shell(route, line.copy, connection);
  if (connection.rate_limit > 0) {
    throw Error(Status::kUsage, "option --rate-limit", "a copy within one host has no line to limit");
  }
  return copy_tree(route.sources, route.to.path, line.copy.copy, connection);
}

int copy(CommandLine& line) {
  if (line.copy.peer) return serve_launcher(line.settings);
  if (line.copy.serve) return serve(line);
  const CopyRoute route = route_of(line.copy);
  route.has_server() ? require_no_shell_option(line) : require_no_server_option(line);
  if (route.from.is_remote()) line.copy.copy.requested = requested_names(route);
  Monitor monitor(Tool::kCopy, line);
  Display display(line, monitor);
  display.attach(line.copy);
  display.attach(line.copy.launch, line.settings.connection);
  line.copy.copy.hears_peer = true;
  line.copy.launch.shell = remote_shell(line.copy.launch.shell);
  return monitor.guarded([&] {
    monitor.start();
    return display.conclude(copy_along(route, line));
  });
}

}  // namespace

int main(int argc, char** argv) { return run_copy_tool(argc, argv, copy); }
