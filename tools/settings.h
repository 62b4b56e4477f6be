// What the command line says, for all tools; the options are in options.h.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <rdpipe/connection.h>
#include <rdpipe/fan_out.h>

#include "copy_settings.h"
#include "key_text.h"
#include "ping_settings.h"
#include "progress_settings.h"

namespace rdpipe::tools {

enum class Tool : unsigned char { kSend = 1, kReceive = 2, kCopy = 4, kPing = 8 };

// Where the key comes from; at most one, and none means RDPIPE_KEY.
struct KeyChoice {
  std::optional<std::string> file;  // --key-file
  std::optional<int> fd;            // --key-fd
  std::optional<KeyText> argument;  // KEY; "-" means RDPIPE_KEY or a prompt
};

// An rdrecv.
struct Target {
  std::string host;
  std::string port;
};

struct Settings {
  Options connection;
  FileUse file_use;
  KeyChoice key;
  std::vector<Target> targets;       // rdsend: HOST PORT, or each -O
  FanOutOptions fan_out;             // rdsend, of several
  std::string port;                  // rdrecv: PORT, or -I
  std::optional<std::string> path;   // FILE; none: the command, or standard input or output
  bool path_by_option = false;       // -i, -o: also where they, or an operand, say standard input or output
  bool replaces = false;             // rdrecv: -f, for -o
  std::vector<std::string> command;  // what follows `--` in FILE's place; empty: none
  std::optional<bool> keeps_listening;  // rdrecv: --keep-listening, or --once
  std::optional<Target> next;           // rdrecv: --forward
  ProgressSettings progress;
  bool verbose = false;
  bool quiet = false;
  std::string notice;  // about how the command line was read; empty: none
};

enum class Request : unsigned char { kTransfer, kHelp, kVersion, kGenerateKey };

// What is neither a file's nor a command's; what is passed on goes there only where `-o -` says so.
[[nodiscard]] inline bool uses_standard_stream(const Settings& settings) {
  return !settings.path && settings.command.empty() && (!settings.next || settings.path_by_option);
}

struct CommandLine {
  Request request = Request::kTransfer;
  Settings settings;
  CopySettings copy;  // rdcp only
  PingSettings ping;  // rdping only
};

// Overwrites a positional KEY in `argv`. Throws Error{kUsage} with one line that says what is wrong.
[[nodiscard]] CommandLine parse_command_line(Tool tool, int argc, char** argv);

struct Option;
// Is shown each option before it is applied, and throws for what must not be.
using Inspector = void (*)(const Option& option);
// The words that a launcher gave to the rdcp it has started, or a client to its server.
[[nodiscard]] CommandLine parse_words(const std::vector<std::string>& words, Inspector inspect = nullptr);

[[nodiscard]] std::string help_text(Tool tool);
[[nodiscard]] std::string_view tool_name(Tool tool);

}  // namespace rdpipe::tools
