#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "options.h"
#include "serve_settings.h"

namespace rdpipe::tools {
namespace {

constexpr std::size_t kLongestText = 400;    // of what a refusal quotes
constexpr std::size_t kLongestFormat = 256;  // of --out-format, in which each %n stands for a name

// Of the others some read files, and some are only this end's.
bool is_for_server(const Option& option) {
  const std::string_view name = option.name == nullptr ? "" : option.name;
  if (option.help == nullptr) return name != "peer";
  return option.travels || name == "exclude" || name == "include";
}

void require_for_server(const Option& option) {
  if (is_for_server(option)) return;
  throw Error(Status::kUsage, "option " + name_of(option), "not for a server");
}

[[noreturn]] void reject_words(const char* cause) { throw Error(Status::kUsage, "hear the client", cause); }

// What is quoted in a refusal may be a client's megabyte, and goes into a log.
CommandLine parse_shortly(const std::vector<std::string>& words) {
  try {
    return parse_words(words, require_for_server);
  } catch (const Error& error) {
    throw Error(error.status(), error.attempt().substr(0, kLongestText),
                error.cause().substr(0, kLongestText), error.hint());
  }
}

}  // namespace

ServedCopy served_copy(const std::vector<std::string>& words) {
  const auto has_nul = [](const std::string& word) { return word.find('\0') != std::string::npos; };
  if (std::ranges::any_of(words, has_nul)) reject_words("a word has a NUL in it");
  CommandLine line = parse_shortly(words);
  CopySettings& settings = line.copy;
  const bool sends = settings.role == PeerRole::kSender;
  const std::size_t paths = settings.operands.size();
  if (settings.role == PeerRole::kNone) reject_words("it says neither --sender nor --receiver");
  if (sends ? paths == 0 : paths != 1) reject_words("it says not what to copy, or not where to");
  if (std::ranges::count(settings.operands, "") > 0) reject_words("a path is empty");
  if (sends && settings.copy.remove_source_files) {
    throw Error(Status::kUsage, "option --remove-source-files",
                "a server's files are not removed by who reads them");
  }
  if (settings.copy.out_format.size() > kLongestFormat) reject_words("the format of lists is too long");
  settings.copy.globs = sends;
  return {.sends = sends,
          .paths = std::move(settings.operands),
          .copy = std::move(settings.copy),
          .compression = line.settings.connection.compression};
}

}  // namespace rdpipe::tools
