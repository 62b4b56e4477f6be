#include "copy_client.h"

#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

#include "interrupts.h"
#include "keys.h"

namespace rdpipe::tools {
namespace {

KeyText key_of(const CommandLine& line) {
  if (line.copy.serving.insecure_no_key) return KeyText(kNoKey);
  KeyChoice choice{.file = line.settings.key.file, .fd = line.settings.key.fd, .argument = {}};
  if (!choice.file && !choice.fd) choice.argument.emplace("-");
  Interrupts interrupts;  // signals are blocked already: this hears them too
  KeyText key = read_key(std::move(choice), interrupts);
  const std::string doubt = doubt_about(key.text());
  const auto& notice = line.settings.connection.notice;
  if (!doubt.empty() && notice) notice("warning: " + doubt);
  return key;
}

std::string waiting_line(std::size_t ahead) {
  if (ahead == 0) return "the server is busy: this is next";
  return fmt::format("the server is busy: {} wait{} in front", ahead, ahead == 1 ? "s" : "");
}

Connection connect(const HostPath& server, std::vector<std::string> words, const CommandLine& line) {
  const std::string port = std::to_string(server.port);
  Options options = line.settings.connection;
  options.address = line.copy.launch.address;
  ServerRequest request{.words = std::move(words), .waits = line.copy.waits_for_turn, .waiting = {}};
  request.waiting = [notice = options.notice](std::size_t ahead) {
    if (notice) notice(waiting_line(ahead));
  };
  const KeyText key = key_of(line);
  return Connection::to_server(server.host, port, key.text(), request, options);
}

}  // namespace

void require_no_server_option(const CommandLine& line) {
  const KeyChoice& key = line.settings.key;
  const char* given = key.file                            ? "--key-file"
                      : key.fd                            ? "--key-fd"
                      : line.copy.serving.insecure_no_key ? "--insecure-no-key"
                      : line.copy.waits_for_turn          ? "--wait"
                                                          : nullptr;
  if (given == nullptr) return;
  throw Error(Status::kUsage, fmt::format("option {}", given), "neither SRC nor DST is a server's",
              "a server's paths are HOST::PATH, with two colons, or rdcp://HOST/PATH");
}

void require_no_shell_option(const CommandLine& line) {
  if (line.copy.shell_option.empty()) return;
  throw Error(
      Status::kUsage, "option " + line.copy.shell_option, "a copy to or from a server takes no shell",
      "host::path and rdcp://host/path are a server's; by way of ssh it is host:path, with one colon");
}

CopyReport copy_with_server(const CopyRoute& route, const CommandLine& line) {
  if (route.to.server) {
    auto words = words_for_peer(line.copy, PeerRole::kReceiver, false, {route.to.path});
    return connect(route.to, std::move(words), line).send_tree(route.sources, line.copy.copy);
  }
  auto words = words_for_peer(line.copy, PeerRole::kSender, false, route.sources);
  return connect(route.from, std::move(words), line).receive_tree(route.to.path, line.copy.copy);
}

}  // namespace rdpipe::tools
