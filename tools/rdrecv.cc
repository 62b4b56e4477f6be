// rdrecv PORT KEY [FILE | -- COMMAND], or -I PORT as mbuffer: receives one stream, or one after another, and
// may send it on; exit 0 means that it is complete, checked, and in its place.
#include <unistd.h>

#include <optional>
#include <utility>

#include "keep_listening.h"
#include "name_pattern.h"
#include "tool.h"

namespace {

using namespace rdpipe;  // NOLINT(google-build-using-namespace): a program's one file

std::optional<Output> open_output(const tools::Settings& settings, tools::Monitor& monitor) {
  if (settings.path) return Output::file(*settings.path, settings.file_use);
  if (!settings.command.empty()) return Output::command(settings.command, monitor.command_errors());
  if (!tools::uses_standard_stream(settings)) return {};
  return Output::descriptor(STDOUT_FILENO, "standard output", settings.file_use);
}

// It has the same key, which goes when it has done its work there, too.
std::optional<NextReceiver> next_receiver(const tools::Settings& settings, const tools::KeyText& key) {
  if (!settings.next) return {};
  return NextReceiver(settings.next->host, settings.next->port, key.text());
}

Listener listen(const tools::Settings& settings, tools::KeyText key, tools::Monitor& monitor) {
  Listener listener(settings.port, key.text(), settings.connection);
  monitor.listening(listener.port(), listener.describe());
  return listener;
}

// The first sender that knows the key; nobody else is listened to after that, and the key goes.
Connection accept_one(const tools::Settings& settings, tools::KeyText key, tools::Monitor& monitor) {
  return listen(settings, std::move(key), monitor).accept();
}

void receive(const tools::Settings& settings, tools::KeyText key, tools::Monitor& monitor) {
  auto next = next_receiver(settings, key);
  if (settings.keeps_listening.value_or(false)) {
    if (settings.path) tools::require_directory(*settings.path);
    return tools::keep_listening(settings, listen(settings, std::move(key), monitor), next, monitor);
  }
  auto output = open_output(settings, monitor);
  Connection connection = accept_one(settings, std::move(key), monitor);
  monitor.finish(connection.receive([&] { return std::move(output); }, std::move(next)));
}

}  // namespace

int main(int argc, char** argv) { return tools::run_tool(tools::Tool::kReceive, argc, argv, receive); }
