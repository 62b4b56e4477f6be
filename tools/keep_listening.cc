#include "keep_listening.h"

#include <fmt/format.h>

#include <ctime>
#include <new>
#include <optional>
#include <utility>

#include "interrupts.h"
#include "name_pattern.h"

namespace rdpipe::tools {
namespace {

// Nothing, once a signal has come.
std::optional<Connection> next_sender(Listener& listener) try {
  return listener.accept();
} catch (const Error& error) {
  if (error.status() != Status::kSignal) throw;
  return {};
}

Result receive_one(const Settings& settings, Connection connection, const std::optional<NextReceiver>& next,
                   NameSeries& names, Monitor& monitor) {
  FileUse use = settings.file_use;
  use.fresh = true;
  const auto open = [&]() -> std::optional<Output> {
    if (!settings.command.empty()) return Output::command(settings.command, monitor.command_errors());
    if (!settings.path) return {};
    const std::string name = names.next(std::time(nullptr));
    monitor.notice(fmt::format("receiving into '{}'", name));
    return Output::file(name, use);
  };
  Result result = connection.receive(open, next);
  names.used();
  return result;
}

}  // namespace

void keep_listening(const Settings& settings, Listener listener, const std::optional<NextReceiver>& next,
                    Monitor& monitor) {
  NameSeries names(settings.path.value_or(""));
  while (!Interrupts::came()) {  // a stream that was in its place already has not been stopped by it
    auto sender = next_sender(listener);
    if (!sender) break;
    monitor.start();
    try {
      monitor.finish(receive_one(settings, std::move(*sender), next, names, monitor));
    } catch (const Error& error) {
      if (error.status() == Status::kSignal && !error.from_peer()) throw;
      static_cast<void>(monitor.fail(error));
    } catch (const std::bad_alloc&) {
      static_cast<void>(monitor.fail(Error(Status::kMemory, "", "out of memory")));
    }
  }
  Interrupts::outlived();
}

}  // namespace rdpipe::tools
