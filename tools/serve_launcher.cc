#include "serve_launcher.h"

#include <cstdlib>
#include <new>
#include <sstream>

#include "report.h"

namespace rdpipe::tools {
namespace {

// The address of this host that the launcher's ssh has reached.
std::string address_known() {
  const char* connection =
      std::getenv("SSH_CONNECTION");  // client's address and port, server's address and port
  std::istringstream words(connection == nullptr ? "" : connection);
  std::string word;
  for (int i = 0; i < 3; ++i) words >> word;
  return words ? word : "";
}

std::vector<std::string> expanded(const std::vector<std::string>& paths) {
  std::vector<std::string> result;
  result.reserve(paths.size());
  for (const std::string& path : paths) result.push_back(expand_home(path));
  return result;
}

// Where the launcher is none of the two ends, it hears everything as lines.
void tell_launcher_all(CopySettings& settings) {
  settings.copy.hears_peer = settings.role == PeerRole::kReceiver;
  if (!settings.copy.hears_peer) return;
  settings.copy.notice = [](const std::string& line) { print_notice(Tool::kCopy, line); };
  if (settings.list) settings.copy.listed = [](const std::string& line) { LaunchedCopy::tell_line(line); };
  if (settings.progress) {
    settings.copy.progress = [](const CopyProgress& progress) { LaunchedCopy::tell_progress(progress); };
  }
}

CopyReport take_part(LaunchedCopy& launched, CopySettings& settings, const Options& options) {
  if (settings.launcher_only_listens) tell_launcher_all(settings);
  settings.copy.globs = settings.role == PeerRole::kSender;
  // Of all that it has to say the other end hears, but for this, which is last.
  if (settings.role == PeerRole::kSender) {
    settings.copy.notice = [](const std::string& line) { LaunchedCopy::tell_unremoved(line); };
  }
  const std::vector<std::string> paths = expanded(settings.operands);
  Connection connection = launched.connect(settings.launch, options, address_known());
  if (settings.role == PeerRole::kSender) return connection.send_tree(paths, settings.copy);
  return connection.receive_tree(paths.front(), settings.copy);
}

CommandLine orders_of(const LaunchedCopy& launched) {
  CommandLine line = parse_words(launched.words());
  const std::size_t operands = line.copy.operands.size();
  const bool whole = line.copy.role == PeerRole::kSender ? operands > 0 : operands == 1;
  if (line.request != Request::kTransfer || line.copy.role == PeerRole::kNone || !whole) {
    throw Error(Status::kProtocol, "hear from the launcher", "its orders make no sense");
  }
  return line;
}

}  // namespace

int serve_launcher(const Settings& own) {
  LaunchedCopy launched;
  bool heard_elsewhere = true;  // by the end that the user has started
  try {
    CommandLine line = orders_of(launched);
    heard_elsewhere = !line.copy.launcher_only_listens;
    Options options = line.settings.connection;
    options.interrupt_fd = own.connection.interrupt_fd;
    options.on_interrupt = own.connection.on_interrupt;
    if (!line.settings.quiet) {
      options.notice = [](const std::string& text) { print_notice(Tool::kCopy, text); };
    }
    const CopyReport report = take_part(launched, line.copy, options);
    if (line.copy.launcher_only_listens && line.copy.role == PeerRole::kReceiver) {
      LaunchedCopy::tell_report(report);
    }
    return report.status();
  } catch (const Error& error) {
    launched.refuse(error);
    if (launched.connected() && !heard_elsewhere && !error.from_peer()) print_error(Tool::kCopy, error);
    return static_cast<int>(error.status());
  } catch (const std::bad_alloc&) {
    launched.refuse(Error(Status::kMemory, "", "out of memory"));
    return static_cast<int>(Status::kMemory);
  }
}

}  // namespace rdpipe::tools
