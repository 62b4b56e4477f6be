// What rdcp's command line says.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <rdpipe/copy.h>
#include <rdpipe/launch.h>

#include "serve_settings.h"

namespace rdpipe::tools {

enum class PeerRole : unsigned char { kNone, kSender, kReceiver };

// --include, --exclude, and the files of them.
struct FilterWord {
  bool include = false;
  bool from_file = false;
  std::string text{};
};

struct CopySettings {
  CopyOptions copy{};
  LaunchOptions launch{};
  std::vector<std::string> operands{};
  std::vector<FilterWord> filters{};
  std::string target_directory{};           // --target-directory: the destination; all operands are sources
  std::string files_from{};                 // a file; "-": standard input
  bool archive = false;                     // -a: it implies -r where no files are listed
  bool from0 = false;                       // names in files end with NUL
  bool list = false;                        // prints what changes
  bool itemize = false;                     // -i
  std::optional<std::string> out_format{};  // as was asked; it wins over -i
  bool progress = false;
  bool stats = false;
  bool human_readable = false;
  std::vector<std::string> travelling{};  // the words for the other end: options
  bool serve = false;                     // --serve: a server, of its one operand
  ServeSettings serving{};
  std::string serve_option{};   // one that was given and means something with --serve only
  std::string copy_option{};    // one that was given and means nothing with --serve
  std::string shell_option{};   // one that was given and means nothing to a server's client
  bool waits_for_turn = false;  // --wait: at a server
  // Between the two ends.
  bool peer = false;                   // started by a launcher
  PeerRole role = PeerRole::kNone;     // what it is to be
  bool launcher_only_listens = false;  // the launcher is no end: lines for it go to standard error
};

struct CommandLine;
// Finds what contradicts itself, settles defaults that depend on other options, and reads the files that
// options name. Throws Error{kUsage}, {kEndpoint}.
void complete(CommandLine& line);

// The words for the other end: options, role, operands.
[[nodiscard]] std::vector<std::string> words_for_peer(const CopySettings& settings, PeerRole role,
                                                      bool launcher_only_listens,
                                                      const std::vector<std::string>& paths);

}  // namespace rdpipe::tools
