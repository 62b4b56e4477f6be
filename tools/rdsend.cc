// rdsend HOST PORT KEY [FILE | -- COMMAND], or -O HOST:PORT as mbuffer: sends standard input, a file, or what
// a command writes; exit 0 means that the other end has all of it.
#include <unistd.h>

#include <utility>

#include "send_to_all.h"
#include "tool.h"

namespace {

using namespace rdpipe;  // NOLINT(google-build-using-namespace): a program's one file

Input open_input(const tools::Settings& settings, tools::Monitor& monitor) {
  if (settings.path) return Input::file(*settings.path, settings.file_use);
  if (!settings.command.empty()) return Input::command(settings.command, monitor.command_errors());
  return Input::descriptor(STDIN_FILENO, "standard input", settings.file_use);
}

// The key goes when it has done its work.
Connection connect(const tools::Settings& settings, tools::KeyText key) {
  const tools::Target& target = settings.targets.front();
  return Connection::connect(target.host, target.port, key.text(), settings.connection);
}

void send(const tools::Settings& settings, tools::KeyText key, tools::Monitor& monitor) {
  Input input = open_input(settings, monitor);
  if (settings.targets.size() > 1) {
    return tools::send_to_all(settings, std::move(input), std::move(key), monitor);
  }
  Connection connection = connect(settings, std::move(key));
  monitor.finish(connection.send(std::move(input)));
}

}  // namespace

int main(int argc, char** argv) { return tools::run_tool(tools::Tool::kSend, argc, argv, send); }
