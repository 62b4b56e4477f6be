#include "tool.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <new>
#include <optional>
#include <string>
#include <utility>

#include "interrupts.h"
#include "keys.h"
#include "report.h"

namespace rdpipe::tools {
namespace {

constexpr int kOk = static_cast<int>(Status::kOk);

// A standard descriptor that is closed must not become a socket or a file of ours: what stands in for it can
// be used for nothing.
void occupy_standard_descriptors() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(fd, F_GETFD) != -1) continue;
    static_cast<void>(
        ::open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY));  // takes the lowest: this one
  }
}

int answer(const std::string& text) {
  print_answer(text);
  return kOk;
}

void set_dispositions() {
  std::signal(SIGPIPE, SIG_IGN);  // both then show as errors of write()
  std::signal(SIGXFSZ, SIG_IGN);
  std::signal(SIGCHLD, SIG_DFL);  // inherited as ignored, it would take the exit status of the remote shell
}

// What waits then also waits for signals.
void watch_signals(Settings& settings, Interrupts& interrupts) {
  set_dispositions();
  settings.connection.interrupt_fd = interrupts.fd();
  settings.connection.on_interrupt = [&interrupts] { interrupts.throw_if_any(); };
}

using Transfer = void (*)(const Settings& settings, KeyText key, Monitor& monitor);

int make_transfer(Tool tool, CommandLine& line, Transfer transfer) {
  Settings& settings = line.settings;
  require_open(settings.key);   // before a descriptor of ours has its number
  Monitor monitor(tool, line);  // ... also for its own
  return monitor.guarded([&] {
    Interrupts interrupts;
    watch_signals(settings, interrupts);
    monitor.attach(settings.connection);
    if (!settings.keeps_listening.value_or(false)) monitor.start();
    const auto key_fd = settings.key.fd;
    const auto key_file = settings.key.file;
    KeyText key = read_key(std::move(settings.key), interrupts);
    if (!settings.command.empty()) hide_from_commands(key_fd, key_file);
    const std::string doubt = doubt_about(key.text());
    if (!doubt.empty()) monitor.warn(doubt);
    transfer(settings, std::move(key), monitor);
    return kOk;
  });
}

// Parses, answers what is answered at once, and otherwise does the work.
template <typename Work>
int run(Tool tool, int argc, char** argv, Work work) {
  occupy_standard_descriptors();
  try {
    CommandLine line = parse_command_line(tool, argc, argv);
    switch (line.request) {
      case Request::kHelp:
        return answer(help_text(tool));
      case Request::kVersion:
        return answer(fmt::format("{} (rdpipe) {}\n", tool_name(tool), RDPIPE_VERSION));
      case Request::kGenerateKey:
        return answer(generate_key() + "\n");
      case Request::kTransfer:
        break;
    }
    return work(line);
  } catch (const Error& error) {
    print_error(tool, error);
    return static_cast<int>(error.status());
  } catch (const std::bad_alloc&) {
    print_error(tool, Error(Status::kMemory, "", "out of memory"));
    return static_cast<int>(Status::kMemory);
  }
}

}  // namespace

int run_tool(Tool tool, int argc, char** argv, Transfer transfer) {
  return run(tool, argc, argv, [&](CommandLine& line) { return make_transfer(tool, line, transfer); });
}

int run_copy_tool(int argc, char** argv, int (*copy)(CommandLine& line)) {
  return run(Tool::kCopy, argc, argv, [&](CommandLine& line) {
    if (line.copy.serve) {  // it has its own signals, and its own time to end
      set_dispositions();
      return copy(line);
    }
    require_open(line.settings.key);  // before a descriptor of ours has its number
    Interrupts interrupts;
    watch_signals(line.settings, interrupts);
    return copy(line);
  });
}

int run_ping_tool(int argc, char** argv, int (*ping)(CommandLine& line, Interrupts& interrupts)) {
  return run(Tool::kPing, argc, argv, [&](CommandLine& line) {
    set_dispositions();
    Interrupts interrupts;
    const int status = ping(line, interrupts);
    Interrupts::outlived();
    return status;
  });
}

}  // namespace rdpipe::tools
