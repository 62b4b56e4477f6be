// rdsend HOST PORT KEY [FILE]: sends standard input or a file; exit 0 means that the other end has all of it.
#include <unistd.h>

#include "tool.h"

namespace {

using namespace rdpipe;  // NOLINT(google-build-using-namespace): a program's one file

Input open_input(const tools::Settings& settings) {
  if (settings.path) return Input::file(*settings.path, settings.file_use);
  return Input::descriptor(STDIN_FILENO, "standard input", settings.file_use);
}

Result send(const tools::Settings& settings, const std::string& key) {
  Input input = open_input(settings);
  Connection connection = Connection::connect(settings.host, settings.port, key, settings.connection);
  return connection.send(std::move(input));
}

}  // namespace

int main(int argc, char** argv) { return tools::run_tool(tools::Tool::kSend, argc, argv, send); }
