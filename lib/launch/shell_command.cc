#include "launch/shell_command.h"

#include "launch/words.h"

namespace rdpipe {
namespace {

bool is_ssh(const std::string& program) {
  const std::size_t slash = program.rfind('/');
  return (slash == std::string::npos ? program : program.substr(slash + 1)) == "ssh";
}

// A `~/` in front is the remote shell's to expand: the rest is quoted.
std::string quote_program(const std::string& word) {
  return word.starts_with("~/") ? "~/" + quote_word(word.substr(2)) : quote_word(word);
}

}  // namespace

std::vector<std::string> shell_command(const RemoteShell& shell, const HostPath& where) {
  auto words = split_words(shell.command.empty() ? "ssh" : shell.command, "the remote shell");
  const auto add = [&](std::initializer_list<std::string> more) { words.insert(words.end(), more); };
  const bool ssh = is_ssh(words.front());
  for (const std::string& option : shell.options) add({"-o", option});
  if (!shell.config.empty()) add({"-F", shell.config});
  if (!shell.jump.empty()) add({"-J", shell.jump});
  if (ssh) {
    add({"-T", "-x", "-o", "ClearAllForwardings=yes", "-o", "RemoteCommand=none", "-o",
         "PermitLocalCommand=no", "-o", "ForwardAgent=no", "-o", "ServerAliveInterval=5", "-o",
         "ServerAliveCountMax=2"});
  }
  if (!where.user.empty()) add({"-l", where.user});
  if (ssh) add({"--"});  // whatever the host looks like
  add({where.host});
  for (const std::string& word : split_words(shell.rdcp, "--rdcp-path")) add({quote_program(word)});
  add({"--peer"});
  return words;
}

}  // namespace rdpipe
