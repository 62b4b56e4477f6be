#include "operands.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>

#include <rdpipe/datagram.h>

#include "keys.h"

namespace rdpipe::tools {
namespace {

[[noreturn]] void reject(const std::string& cause, const std::string& hint = "see --help") {
  throw Error(Status::kUsage, "", cause, hint);
}

bool has_key_option(const Settings& settings) { return settings.key.file || settings.key.fd; }

// -O, or -I.
bool has_end_by_option(Tool tool, const Settings& settings) {
  return tool == Tool::kSend ? !settings.targets.empty() : !settings.port.empty();
}

void take_key(char* word, Settings& settings) {
  settings.key.argument.emplace(word);
  std::memset(word, 'x', std::strlen(word));
}

void take_path(const char* word, Settings& settings) {
  if (settings.path_by_option) reject("FILE is named twice, by an option and as an operand");
  if (std::strcmp(word, "-") == 0) {
    settings.path_by_option = true;  // as -i - and -o - say it
  } else {
    settings.path = word;
  }
}

bool is_there(const char* name) { return ::faccessat(AT_FDCWD, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0; }

// KEY or FILE: neither may pass for the other, and what may be a key is shown to nobody.
void take_lone(Tool tool, char* word, Settings& settings) {
  const bool is_sure = settings.path_by_option || !settings.command.empty() || std::strcmp(word, "-") == 0;
  const bool is_file = !is_sure && is_there(word);
  if (is_sure || !(is_file || is_key_in_environment())) {
    if (!is_sure && tool == Tool::kReceive) settings.notice = "the operand is taken for KEY: -o names a FILE";
    return take_key(word, settings);
  }
  if (!is_key_in_environment()) {
    throw Error(Status::kAuthentication, "find the key",
                "RDPIPE_KEY is not set, and the operand is the name of a file",
                "set RDPIPE_KEY, or use --key-file or --key-fd");
  }
  if (tool == Tool::kReceive) {
    reject("the operand may be KEY or FILE, since RDPIPE_KEY is set",
           "-o names a FILE, -o - standard output");
  }
  if (!is_file) {
    reject("the operand is not the name of a file, and RDPIPE_KEY gives the key",
           "-i names a FILE, -i - standard input");
  }
  take_path(word, settings);
}

// mbuffer's -v has a level, which must not pass for one of ours.
void require_no_level(char** argv, int index) {
  const std::string_view word = argv[index];
  const bool is_level = word.size() == 1 && word[0] >= '0' && word[0] <= '9';
  if (is_level && std::strcmp(argv[index - 1], "-v") == 0) reject("-v takes no level", "-v alone, or -q");
}

void assign_behind_option(Tool tool, char** argv, const std::vector<int>& operands, Settings& settings) {
  const std::size_t most = has_key_option(settings) ? 1 : 2;
  const char* option = tool == Tool::kSend ? "-O" : "-I";
  if (operands.size() > most) {
    reject(fmt::format("one operand too many: with {} there is {}FILE at most", option,
                       most == 1 ? "" : "KEY and "));
  }
  for (const int index : operands) require_no_level(argv, index);
  const auto word = [&](std::size_t i) { return argv[operands[i]]; };
  if (operands.size() == 2) {
    take_key(word(0), settings);
    take_path(word(1), settings);
  } else if (operands.size() == 1 && has_key_option(settings)) {
    take_path(word(0), settings);
  } else if (operands.size() == 1) {
    take_lone(tool, word(0), settings);
  }
}

void assign_all(Tool tool, char** argv, const std::vector<int>& operands, Settings& settings) {
  std::size_t next = 0;
  const auto take = [&](const char* name) -> char* {
    if (next == operands.size()) reject(fmt::format("{} is missing", name));
    return argv[operands[next++]];
  };
  if (tool == Tool::kSend) {
    const char* host = take("HOST");
    if (*host == '\0') reject("HOST is empty");  // and not this host
    settings.targets.push_back({host, take("PORT")});
  } else {
    settings.port = take("PORT");
  }
  if (!has_key_option(settings)) take_key(take("KEY"), settings);
  if (next < operands.size()) take_path(take("FILE"), settings);
  if (next < operands.size()) reject(fmt::format("one operand too many: '{}'", argv[operands[next]]));
}

// -o does as mbuffer's does: nothing is replaced unasked, but a device is written.
void keep_what_is_there(Settings& settings) {
  if (!settings.path_by_option || !settings.path || settings.replaces) return;
  if (settings.keeps_listening.value_or(false)) return;  // a pattern; nothing is ever replaced
  struct stat status {};
  const bool exists = ::stat(settings.path->c_str(), &status) == 0;
  if (exists && S_ISREG(status.st_mode)) {
    throw Error(Status::kEndpoint, fmt::format("store '{}'", *settings.path), std::strerror(EEXIST),
                "-f replaces it");
  }
  settings.file_use.fresh = !exists;
}

}  // namespace

Target target_value(const char* option, const std::string& text) {
  PeerAddress peer;
  try {
    peer = parse_peer(text);
  } catch (const Error&) {
    peer = {};
  }
  if (!peer.port.empty()) return {peer.host, peer.port};
  throw Error(Status::kUsage, fmt::format("option {}", option), fmt::format("'{}' is not HOST:PORT", text),
              "an IPv6 address is in brackets: [ADDRESS]:PORT");
}

// mbuffer's HOST:PORT lets nobody in but HOST.
std::string port_value(const char* option, const std::string& text) {
  if (text.find(':') == std::string::npos) return text;
  throw Error(Status::kUsage, fmt::format("option {}", option), fmt::format("'{}' is not a port", text),
              "who may send is a matter of the key; --address names a local address to listen on");
}

std::size_t required_operands(Tool tool, const Settings& settings) {
  if (has_end_by_option(tool, settings)) return 0;
  return (tool == Tool::kSend ? 2U : 1U) + (has_key_option(settings) ? 0U : 1U);
}

void assign_operands(Tool tool, char** argv, const std::vector<int>& operands, Settings& settings) {
  if (settings.key.file && settings.key.fd) reject("--key-file and --key-fd exclude each other");
  if (has_end_by_option(tool, settings)) {
    assign_behind_option(tool, argv, operands, settings);
  } else {
    assign_all(tool, argv, operands, settings);
  }
  if (tool == Tool::kReceive) keep_what_is_there(settings);
}

}  // namespace rdpipe::tools
