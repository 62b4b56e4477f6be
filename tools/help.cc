// --help, from the table of options.
#include <fmt/format.h>

#include "options.h"

namespace rdpipe::tools {
namespace {

constexpr std::size_t kColumn = 32;  // where the options' texts begin

std::string usage_of(Tool tool) {
  switch (tool) {
    case Tool::kSend:
      return "Usage: rdsend [options] HOST PORT KEY [FILE | -- COMMAND...]\n"
             "       rdsend [options] -O HOST:PORT... [KEY] [FILE | -- COMMAND...]\n"
             "Send FILE, what COMMAND writes, or standard input, to the rdrecv that listens on HOST.\n\n";
    case Tool::kReceive:
      return "Usage: rdrecv [options] PORT KEY [FILE | -- COMMAND...]\n"
             "       rdrecv [options] -I PORT [KEY] [FILE | -- COMMAND...]\n"
             "Receive a stream from an rdsend into FILE, into COMMAND, or to standard output.\n"
             "With -k FILE is a pattern: %Y %m %d %H %M %S, the time, and %n, a number.\n\n";
    case Tool::kCopy:
      return "Usage: rdcp [options] SRC... DST\n"
             "       rdcp --serve [options] DIR\n"
             "Copy files and trees; SRC and DST are PATH, [USER@]HOST:PATH or [USER@][V6ADDR]:PATH; of a "
             "server\n"
             "of the directory DIR, HOST::PATH or rdcp://HOST[:PORT]/PATH.\n\n";
    case Tool::kPing:
      return "Usage: rdping [options] HOST[:PORT][/NAME]\n"
             "       rdping --serve [options]\n"
             "       rdping --flood [options] HOST[:PORT]...\n"
             "       rdping --check [options] [HOST[:PORT]]\n"
             "Measure round trips of datagrams over RDMA, against rdping --serve on HOST; or tell what is "
             "in\n"
             "the way of RDMA.\n\n";
  }
  return {};
}

std::string closing_of(Tool tool) {
  if (tool == Tool::kPing) {
    return "\nWhere no rdping --serve answers, the time of a refused request is shown. The datagrams are "
           "neither\n"
           "authenticated nor encrypted. Exit 0 means that at least one answer came; with --check, that "
           "RDMA would\n"
           "work.\n";
  }
  if (tool == Tool::kCopy) {
    return "\nWhat is marked * is taken back by 'no-' in front of its name or letter: -a with 'no-o', say.\n"
           "SIZE takes k M G T, powers of 1024. Short options, but for -m, mean what they mean in rsync.\n"
           "Exit 0 means that every file is complete, checked and in its place.\n";
  }
  return fmt::format(
      "\nKEY '-' means the environment variable RDPIPE_KEY, or a prompt; behind {}, no KEY means RDPIPE_KEY, "
      "too.\n"
      "SIZE takes k M G T, powers of 1024.\n"
      "Exit 0 means that the far end has every byte, has checked it and has put it where it was told to.\n",
      tool == Tool::kSend ? "-O" : "-I");
}

std::string names_of(const Option& option, Tool tool) {
  const char letter = letter_of(option, tool);
  const std::string argument = option.argument == nullptr ? "" : option.argument;
  if (option.name == nullptr) return fmt::format("-{}{}{}", letter, argument.empty() ? "" : " ", argument);
  const std::string value = argument.empty()        ? ""
                            : option.may_be_omitted ? "[=" + argument + "]"
                                                    : "=" + argument;
  const std::string name = fmt::format("--{}{}", option.name, value);
  return letter != 0 ? fmt::format("-{}, {}", letter, name) : "    " + name;
}

}  // namespace

std::string help_text(Tool tool) {
  std::string text = usage_of(tool);
  for (const Option* option : options_of(tool)) {
    if (option->help == nullptr) continue;
    const char* mark = tool != Tool::kCopy ? "" : option->deny != nullptr ? "* " : "  ";
    const std::string names = names_of(*option, tool);
    const char* gap = names.size() < kColumn ? "" : "  ";
    text += fmt::format("  {:<{}}{}{}{}\n", names, kColumn, gap, mark, option->help);
  }
  return text + closing_of(tool);
}

}  // namespace rdpipe::tools
