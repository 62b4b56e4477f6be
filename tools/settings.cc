#include "settings.h"

#include <fmt/format.h>
#include <getopt.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>
#include <utility>

#include "name_pattern.h"
#include "operands.h"
#include "options.h"
#include "program.h"
#include "values.h"

namespace rdpipe::tools {
namespace {

// getopt's values: kLongOnly and twice the option's index, and one more where --no-NAME was said.
constexpr int kLongOnly = 1000;

struct GetoptTables {
  std::string letters = "-:";  // operands in their order, as value 1; a missing argument as ':'
  std::vector<std::string> texts{};
  std::vector<struct option> names{};
};

void add_name(GetoptTables& tables, std::string name, int argument, int value) {
  // Texts do not move: getopt keeps pointers to them.
  tables.names.push_back({tables.texts.emplace_back(std::move(name)).c_str(), argument, nullptr, value});
}

GetoptTables getopt_tables(Tool tool, const std::vector<const Option*>& options) {
  GetoptTables tables;
  tables.texts.reserve(3 * options.size());
  for (std::size_t i = 0; i < options.size(); ++i) {
    const Option& option = *options[i];
    const char letter = letter_of(option, tool);
    const int argument = option.argument == nullptr ? no_argument
                         : option.may_be_omitted    ? optional_argument
                                                    : required_argument;
    const int value = kLongOnly + 2 * static_cast<int>(i);
    if (letter != 0) tables.letters += letter;
    if (letter != 0 && argument == required_argument) tables.letters += ':';
    if (option.name != nullptr) add_name(tables, option.name, argument, value);
    if (option.deny == nullptr) continue;
    if (option.name != nullptr) add_name(tables, fmt::format("no-{}", option.name), no_argument, value + 1);
    if (letter != 0) add_name(tables, fmt::format("no-{}", letter), no_argument, value + 1);
  }
  tables.names.push_back({nullptr, 0, nullptr, 0});
  return tables;
}

const Option& option_of(int value, Tool tool, const std::vector<const Option*>& options) {
  if (value >= kLongOnly) return *options[static_cast<std::size_t>(value - kLongOnly) / 2];
  std::size_t i = 0;
  while (letter_of(*options[i], tool) != value) ++i;
  return *options[i];
}

std::string word_for_peer(const Option& option, bool denied, const std::string& value) {
  const std::string name = option.name != nullptr ? option.name : std::string{option.letter};
  if (denied) return "--no-" + name;
  if (option.name == nullptr) return "-" + name;
  const bool alone = option.argument == nullptr || (option.may_be_omitted && value.empty());
  return alone ? "--" + name : fmt::format("--{}={}", name, value);
}

[[noreturn]] void reject(const std::string& cause) { throw Error(Status::kUsage, "", cause, "see --help"); }

// Of rdcp's options those that a server heeds; what else an operator gives it must not seem to protect
// anything.
bool is_for_serving(const Option& option) {
  const std::string_view name = option.name == nullptr ? "" : option.name;
  constexpr auto kAlso =
      std::to_array<std::string_view>({"port", "address", "no-digest", "help", "generate-key"});
  if (std::ranges::find(kAlso, name) != kAlso.end()) return true;
  const auto is_in = [&](std::span<const Option> table) {
    return &option >= table.data() && &option < table.data() + table.size();
  };
  return (is_in(stream_options()) && name != "compress") ||
         (is_in(serve_options()) && name != "wait" && name != "key-fd");
}

// What getopt has just found.
void apply_option(const Option& option, bool denied, Inspector inspect, CommandLine& line) {
  if (inspect != nullptr) inspect(option);
  if (line.copy.copy_option.empty() && !is_for_serving(option)) line.copy.copy_option = name_of(option);
  const bool has_value = option.argument != nullptr && !denied && optarg != nullptr;
  const std::string value = has_value ? optarg : "";
  // What a script leaves empty by mistake must not pass for the default.
  if (has_value && !option.may_be_empty && value.empty()) {
    reject(fmt::format("option {} needs an argument that is not empty", name_of(option)));
  }
  if (denied) {
    option.deny(line);
  } else {
    option.apply(line, value);
  }
  // What a client says goes no further, and a megabyte of single letters would be many times that.
  if (option.travels && inspect == nullptr) {
    line.copy.travelling.push_back(word_for_peer(option, denied, value));
  }
}

// What the fingers of rsync's, scp's and mbuffer's users type, and what they need not or may in its place.
struct Foreign {
  unsigned tools;
  std::string_view letter;
  std::string_view name;
  std::string_view hint;
};
constexpr auto kForeign = std::to_array<Foreign>({
    {kCopy, "-C", "", "-z compresses, and for what CVS ignores there is --exclude"},
    {kCopy, "", "--compress-choice", "--compress=zstd, lz4 or auto"},
    {kCopy, "", "--compress-level", "--compress=zstd:LEVEL"},
    {kCopy, "-W", "--whole-file", "rdcp sends files whole, without --partial: leave it out"},
    {kCopy, "-R", "--relative", "--files-from keeps the paths that it lists"},
    {kCopy, "-y", "--fuzzy", "rdcp sends files whole, without --partial: leave it out"},
    {kCopy, "", "--bwlimit", "--rate-limit limits the rate, in bytes a second"},
    {kCopy, "", "--append", "--partial goes on where a copy was interrupted"},
    {kCopy, "", "--append-verify", "--partial goes on where a copy was interrupted"},
    {kCopy, "", "--info", "--progress shows how far it is, --stats what was done"},
    {kReceiveOnly, "-O", "", "--forward=HOST:PORT sends on what arrives"},
    {kReceiveOnly, "-i", "", "rdrecv reads from the network: -o FILE is what it writes"},
    {kReceiveOnly, "-c", "", "--fsync puts FILE on the medium before anybody exits 0"},
    {kSendOnly, "-I", "", "rdrecv listens: rdrecv -I PORT"},
    {kSendOnly, "-o", "", "rdsend writes to the network: -i FILE is what it reads"},
    {kSendOnly, "-f", "", "rdsend replaces nothing: leave it out here"},
    {kStream, "-b", "", "-m SIZE says how large the buffer is, whatever its blocks"},
    {kStream, "-L", "", "the ring is pinned, and -m never: leave it out"},
    {kStream, "-t", "", "the buffer is in memory: -m SIZE"},
    {kStream, "-T", "", "the buffer is in memory: -m SIZE"},
    {kStream, "-e", "", "any error ends the transfer: leave it out"},
    {kStream, "-H", "--md5", "--hash=md5"},
    {kStream, "", "--no-direct", "--direct=off"},
});

std::string_view hint_for(Tool tool, std::string_view given) {
  const std::string_view name = given.substr(0, given.find('='));
  for (const Foreign& foreign : kForeign) {
    if ((foreign.tools & static_cast<unsigned>(tool)) == 0) continue;
    if (given == foreign.letter || name == foreign.name) return foreign.hint;
  }
  return "see --help";
}

[[noreturn]] void reject_option(Tool tool, int verdict, const char* word) {
  const std::string given =
      optopt != 0 && optopt < kLongOnly ? fmt::format("-{}", static_cast<char>(optopt)) : std::string(word);
  if (verdict == ':') reject(fmt::format("option {} needs an argument", given));
  if (optopt >= kLongOnly) reject(fmt::format("option {} takes no argument", given));
  throw Error(Status::kUsage, "", fmt::format("unknown or ambiguous option {}", given),
              std::string(hint_for(tool, given)));
}

// Applies the options and returns the operands before `--`, as indices into argv; optind is then behind it.
std::vector<int> take_words(Tool tool, int argc, char** argv, Inspector inspect, CommandLine& line) {
  const auto options = options_of(tool);
  const GetoptTables tables = getopt_tables(tool, options);
  std::vector<int> operands;
  opterr = 0;
  optind = 0;  // and not 1: what a word that was refused before has left over is forgotten
  for (;;) {
    const int verdict = ::getopt_long(argc, argv, tables.letters.c_str(), tables.names.data(), nullptr);
    if (verdict == -1) break;
    if (verdict == 1) {
      operands.push_back(optind - 1);
    } else if (verdict == ':' || verdict == '?') {
      reject_option(tool, verdict, argv[optind - 1]);
    } else {
      const bool denied = verdict >= kLongOnly && (verdict - kLongOnly) % 2 != 0;
      const Option& option = option_of(verdict, tool, options);
      if (tool == Tool::kPing) line.ping.given.push_back(name_of(option));
      apply_option(option, denied, inspect, line);
    }
  }
  return operands;
}

void require_sense(std::size_t receivers, const FanOutOptions& fan_out) {
  if (fan_out.min_receivers > std::max<std::size_t>(1, receivers)) {
    reject(fmt::format("--min-receivers={} needs at least as many -O", fan_out.min_receivers));
  }
  if (receivers < 2 && fan_out.drop_slow.count() > 0) reject("--drop-slow needs more than one -O");
}

// What a command has no use for must not seem to protect anything.
void require_sense(Tool tool, const Settings& settings) {
  const bool has_command = !settings.command.empty();
  const FileUse& use = settings.file_use;
  const bool has_file = settings.path || settings.path_by_option;
  if (has_command && has_file) reject("FILE and a command exclude each other");
  if (settings.replaces && !settings.path_by_option) reject("-f goes with -o");
  const bool is_for_files = use.fsync || use.inplace || use.direct != Direct::kAuto;
  if (has_command && is_for_files) {
    reject(tool == Tool::kSend ? "--direct is for files, not for a command"
                               : "--fsync, --inplace and --direct are for files, not for a command");
  }
  if (settings.next && !settings.path && !settings.path_by_option && is_for_files) {
    reject("--forward without FILE writes none: --fsync, --inplace and --direct do not go with it");
  }
  if (tool == Tool::kReceive && !settings.next &&
      settings.connection.compression.use != CompressionUse::kOff) {
    throw Error(Status::kUsage, "", "rdrecv compresses only what it passes on with --forward",
                "rdsend compresses, and rdrecv undoes it unasked: leave it out here");
  }
  require_sense(settings.targets.size(), settings.fan_out);
  if (!settings.keeps_listening.value_or(false) || has_command) return;
  if (settings.next && !settings.path && !settings.path_by_option) return;
  if (!settings.path) reject("--keep-listening needs a FILE with a pattern, or a command");
  if (use.inplace || settings.replaces) {
    reject(fmt::format("--keep-listening makes new files: {} does not go with it",
                       use.inplace ? "--inplace" : "-f"));
  }
  require_name_pattern(*settings.path);
}

void take_command(int argc, char** argv, int begin, Settings& settings) {
  for (int i = begin; i < argc; ++i) settings.command.emplace_back(argv[i]);
  if (settings.command.empty() || settings.command.front().empty()) {
    reject("'--' after the operands needs a command");
  }
  require_program(settings.command.front());
}

CommandLine parse_copy(int argc, char** argv, Inspector inspect) {
  CommandLine line;
  std::vector<int> operands = take_words(Tool::kCopy, argc, argv, inspect, line);
  if (line.request != Request::kTransfer) return line;
  for (int i = optind; i < argc; ++i) operands.push_back(i);
  for (const int index : operands) line.copy.operands.emplace_back(argv[index]);
  if (line.copy.operands.empty() && line.copy.human_readable) line.request = Request::kHelp;  // rdcp -h
  complete(line);
  return line;
}

CommandLine parse_ping(int argc, char** argv) {
  CommandLine line;
  std::vector<int> operands = take_words(Tool::kPing, argc, argv, nullptr, line);
  if (line.request != Request::kTransfer) return line;
  for (int i = optind; i < argc; ++i) operands.push_back(i);
  for (const int index : operands) line.ping.hosts.emplace_back(argv[index]);
  require_sense(line.ping);
  return line;
}

}  // namespace

CommandLine parse_command_line(Tool tool, int argc, char** argv) {
  if (tool == Tool::kCopy) return parse_copy(argc, argv, nullptr);
  if (tool == Tool::kPing) return parse_ping(argc, argv);
  CommandLine line;
  std::vector<int> operands = take_words(tool, argc, argv, nullptr, line);
  if (line.request != Request::kTransfer) return line;
  const std::size_t required = required_operands(tool, line.settings);
  const auto is_dashes = [&](int i) { return i > 0 && i < argc && std::strcmp(argv[i], "--") == 0; };
  // A first `--` in front of an operand only ends the options.
  const bool ends_operands = is_dashes(optind - 1) && operands.size() >= required;
  int next = optind;
  while (!ends_operands && next < argc && !(operands.size() >= required && is_dashes(next))) {
    operands.push_back(next++);
  }
  if (ends_operands || next < argc) take_command(argc, argv, ends_operands ? next : next + 1, line.settings);
  assign_operands(tool, argv, operands, line.settings);
  require_sense(tool, line.settings);
  return line;
}

CommandLine parse_words(const std::vector<std::string>& words, Inspector inspect) {
  std::vector<std::string> copies = {"rdcp"};
  copies.insert(copies.end(), words.begin(), words.end());
  std::vector<char*> arguments;
  arguments.reserve(copies.size() + 1);
  for (std::string& word : copies) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  return parse_copy(static_cast<int>(copies.size()), arguments.data(), inspect);
}

std::string_view tool_name(Tool tool) {
  switch (tool) {
    case Tool::kSend:
      return "rdsend";
    case Tool::kReceive:
      return "rdrecv";
    case Tool::kCopy:
      return "rdcp";
    case Tool::kPing:
      break;
  }
  return "rdping";
}

char letter_of(const Option& option, Tool tool) {
  const bool known = (option.letter_tools & static_cast<unsigned>(tool)) != 0;
  return known ? option.letter : '\0';
}

std::string name_of(const Option& option) {
  return option.name != nullptr ? fmt::format("--{}", option.name) : fmt::format("-{}", option.letter);
}

std::vector<const Option*> options_of(Tool tool) {
  std::vector<const Option*> options;
  for (const auto table :
       {ping_options(), copy_options(), stream_options(), progress_options(), serve_options()}) {
    for (const Option& option : table) {
      if ((option.tools & static_cast<unsigned>(tool)) != 0) options.push_back(&option);
    }
  }
  return options;
}

}  // namespace rdpipe::tools
