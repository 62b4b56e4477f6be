// What the command line says, for rdsend and rdrecv: one table makes the parser, --help and the check that
// the manual names the same options.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <rdpipe/connection.h>

#include "key_text.h"

namespace rdpipe::tools {

enum class Tool : unsigned char { kSend = 1, kReceive = 2 };

// Where the key comes from; at most one.
struct KeyChoice {
  std::optional<std::string> file;  // --key-file
  std::optional<int> fd;            // --key-fd
  std::optional<KeyText> argument;  // KEY; "-" means RDPIPE_KEY or a prompt
};

struct Settings {
  Options connection;
  FileUse file_use;
  KeyChoice key;
  std::string host;  // rdsend only
  std::string port;
  std::optional<std::string> path;  // FILE; none: standard input or output
  bool verbose = false;
  bool quiet = false;
};

enum class Request : unsigned char { kTransfer, kHelp, kVersion, kGenerateKey };

struct CommandLine {
  Request request = Request::kTransfer;
  Settings settings;
};

// Overwrites a positional KEY in `argv`. Throws Error{kUsage} with one line that says what is wrong.
[[nodiscard]] CommandLine parse_command_line(Tool tool, int argc, char** argv);
[[nodiscard]] std::string help_text(Tool tool);
[[nodiscard]] std::string_view tool_name(Tool tool);

}  // namespace rdpipe::tools
