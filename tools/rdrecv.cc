// rdrecv PORT KEY [FILE]: receives one stream; exit 0 means that it is complete, checked, and in its place.
#include <unistd.h>

#include <utility>

#include "tool.h"

namespace {

using namespace rdpipe;  // NOLINT(google-build-using-namespace): a program's one file

Output open_output(const tools::Settings& settings) {
  if (settings.path) return Output::file(*settings.path, settings.file_use);
  return Output::descriptor(STDOUT_FILENO, "standard output", settings.file_use);
}

// The first sender that knows the key; nobody else is listened to after that, and the key goes.
Connection accept_one(const tools::Settings& settings, tools::KeyText key, tools::Monitor& monitor) {
  Listener listener(settings.port, key.text(), settings.connection);
  monitor.listening(listener.port(), listener.describe());
  return listener.accept();
}

Result receive(const tools::Settings& settings, tools::KeyText key, tools::Monitor& monitor) {
  Output output = open_output(settings);
  Connection connection = accept_one(settings, std::move(key), monitor);
  return connection.receive(std::move(output));
}

}  // namespace

int main(int argc, char** argv) { return tools::run_tool(tools::Tool::kReceive, argc, argv, receive); }
