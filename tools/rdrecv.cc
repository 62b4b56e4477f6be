// rdrecv PORT KEY [FILE | -- COMMAND]: receives one stream, or one after another; exit 0 means that it is
// complete, checked, and in its place.
#include <fmt/format.h>
#include <unistd.h>

#include <utility>

#include "keep_listening.h"
#include "report.h"
#include "tool.h"

namespace {

using namespace rdpipe;  // NOLINT(google-build-using-namespace): a program's one file

Output open_output(const tools::Settings& settings) {
  if (settings.path) return Output::file(*settings.path, settings.file_use);
  if (!settings.command.empty()) return Output::command(settings.command, STDERR_FILENO);
  return Output::descriptor(STDOUT_FILENO, "standard output", settings.file_use);
}

Listener listen(const tools::Settings& settings, tools::KeyText key) {
  Listener listener(settings.port, key.text(), settings.connection);
  if (settings.port == "0" || settings.verbose) {
    tools::print_notice(tools::Tool::kReceive,
                        fmt::format("listening on port {} ({})", listener.port(), listener.describe()));
  }
  return listener;
}

// The first sender that knows the key; nobody else is listened to after that, and the key goes.
Connection accept_one(const tools::Settings& settings, tools::KeyText key) {
  return listen(settings, std::move(key)).accept();
}

void receive(const tools::Settings& settings, tools::KeyText key) {
  if (settings.keeps_listening.value_or(false)) {
    return tools::keep_listening(settings, listen(settings, std::move(key)));
  }
  Output output = open_output(settings);
  Connection connection = accept_one(settings, std::move(key));
  tools::print_outcome(tools::Tool::kReceive, settings, connection.receive(std::move(output)));
}

}  // namespace

int main(int argc, char** argv) { return tools::run_tool(tools::Tool::kReceive, argc, argv, receive); }
