// rdsend HOST PORT KEY [FILE]: sends standard input or a file; exit 0 means that the other end has all of it.
#include <unistd.h>

#include <utility>

#include "tool.h"

namespace {

using namespace rdpipe;  // NOLINT(google-build-using-namespace): a program's one file

Input open_input(const tools::Settings& settings) {
  if (settings.path) return Input::file(*settings.path, settings.file_use);
  return Input::descriptor(STDIN_FILENO, "standard input", settings.file_use);
}

// The key goes when it has done its work.
Connection connect(const tools::Settings& settings, tools::KeyText key) {
  return Connection::connect(settings.host, settings.port, key.text(), settings.connection);
}

Result send(const tools::Settings& settings, tools::KeyText key, tools::Monitor& /*monitor*/) {
  Input input = open_input(settings);
  Connection connection = connect(settings, std::move(key));
  return connection.send(std::move(input));
}

}  // namespace

int main(int argc, char** argv) { return tools::run_tool(tools::Tool::kSend, argc, argv, send); }
