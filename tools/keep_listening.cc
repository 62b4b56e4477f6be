#include "keep_listening.h"

#include <unistd.h>

#include <ctime>
#include <new>
#include <optional>
#include <utility>

#include "interrupts.h"
#include "name_pattern.h"
#include "report.h"
#include "tool.h"

namespace rdpipe::tools {
namespace {

// Nothing, once a signal has come.
std::optional<Connection> next_sender(Listener& listener) try {
  return listener.accept();
} catch (const Error& error) {
  if (error.status() != Status::kSignal) throw;
  return {};
}

Result receive_one(const Settings& settings, Connection connection, NameSeries& names) {
  FileUse use = settings.file_use;
  use.fresh = true;
  Result result = connection.receive([&] {
    if (!settings.command.empty()) return Output::command(settings.command, STDERR_FILENO);
    return Output::file(names.next(std::time(nullptr)), use);
  });
  names.used();
  return result;
}

}  // namespace

void keep_listening(const Settings& settings, Listener listener) {
  NameSeries names(settings.path.value_or(""));
  while (auto sender = next_sender(listener)) {
    try {
      print_outcome(Tool::kReceive, settings, receive_one(settings, std::move(*sender), names));
    } catch (const Error& error) {
      if (error.status() == Status::kSignal && !error.from_peer()) throw;
      print_error(Tool::kReceive, error);
    } catch (const std::bad_alloc&) {
      print_error(Tool::kReceive, Error(Status::kMemory, "", "out of memory"));
    }
  }
  Interrupts::outlived();
}

}  // namespace rdpipe::tools
