// The one table of options, for all tools: it makes the parser, --help, the words that rdcp gives to the
// other end, and the check that the manual names the same options.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "settings.h"

namespace rdpipe::tools {

constexpr unsigned kSendOnly = static_cast<unsigned>(Tool::kSend);
constexpr unsigned kReceiveOnly = static_cast<unsigned>(Tool::kReceive);
constexpr unsigned kStream = kSendOnly | kReceiveOnly;
constexpr unsigned kCopy = static_cast<unsigned>(Tool::kCopy);
constexpr unsigned kPing = static_cast<unsigned>(Tool::kPing);
constexpr unsigned kAll = kStream | kCopy;  // that move data

struct Option {
  char letter = 0;                 // 0: long only
  const char* name = nullptr;      // nullptr: short only
  const char* argument = nullptr;  // nullptr: takes none
  unsigned tools = 0;
  const char* help = nullptr;  // nullptr: rdcp's own, between its two ends
  void (*apply)(CommandLine&, const std::string& value) = nullptr;
  void (*deny)(CommandLine&) = nullptr;  // rdcp: what --no-NAME and --no-LETTER do
  bool travels = false;                  // rdcp: the other end is told
  unsigned letter_tools = ~0U;  // of `tools`, those that know the letter: rdcp's mean what rsync's mean
  bool may_be_empty = false;    // the argument
  bool may_be_omitted = false;  // the argument: the letter has none, and the name only behind a '='
};

[[nodiscard]] std::span<const Option> stream_options();    // rdsend's and rdrecv's; some are rdcp's, too
[[nodiscard]] std::span<const Option> copy_options();      // rdcp's alone
[[nodiscard]] std::span<const Option> progress_options();  // of how far it is: all but rdping's
[[nodiscard]] std::span<const Option> serve_options();     // rdcp's, as a server and as its client
[[nodiscard]] std::span<const Option> ping_options();      // rdping's alone
// The options of a tool, in the order of --help.
[[nodiscard]] std::vector<const Option*> options_of(Tool tool);
[[nodiscard]] std::string name_of(const Option& option);        // "--ring", or "-D"
[[nodiscard]] char letter_of(const Option& option, Tool tool);  // or 0

}  // namespace rdpipe::tools
