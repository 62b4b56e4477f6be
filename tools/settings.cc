#include "settings.h"

#include <fmt/format.h>
#include <getopt.h>

#include <array>
#include <charconv>
#include <cstring>
#include <limits>

#include "values.h"

namespace rdpipe::tools {
namespace {

constexpr unsigned kSendOnly = 1;
constexpr unsigned kReceiveOnly = 2;
constexpr unsigned kBoth = kSendOnly | kReceiveOnly;

struct Option {
  char letter;           // 0: long only
  const char* name;      // nullptr: short only
  const char* argument;  // nullptr: takes none
  unsigned tools;
  const char* help;
  void (*apply)(CommandLine&, const std::string& value);
};

std::size_t size_in_memory(const char* option, const std::string& text) {
  return static_cast<std::size_t>(size_value(option, text));
}

// Two options that contradict each other are a mistake, whichever comes last.
template <typename T>
void choose(T& setting, T unset, T wanted, const char* pair) {
  if (setting != unset && setting != wanted) {
    throw Error(Status::kUsage, "", fmt::format("{} exclude each other", pair), "see --help");
  }
  setting = wanted;
}

void choose_ip(CommandLine& line, IpVersion version) {
  choose(line.settings.connection.ip, IpVersion::kAny, version, "-4 and -6");
}

void choose_encryption(CommandLine& line, Switch wanted) {
  choose(line.settings.connection.encrypt, Switch::kAuto, wanted, "--encrypt and --no-encrypt");
}

const auto kOptions = std::to_array<Option>({
    {'v', "verbose", nullptr, kBoth, "print one line at the end: rate, bytes, seconds, fabric",
     [](CommandLine& line, const std::string&) { line.settings.verbose = true; }},
    {'q', "quiet", nullptr, kBoth, "print errors only",
     [](CommandLine& line, const std::string&) { line.settings.quiet = true; }},
    {0, "key-file", "FILE", kBoth, "read the key from FILE (first line); KEY is then left out",
     [](CommandLine& line, const std::string& value) { line.settings.key.file = value; }},
    {0, "key-fd", "N", kBoth, "read the key from descriptor N; KEY is then left out",
     [](CommandLine& line, const std::string& value) {
       line.settings.key.fd = number_value("--key-fd", value, 0, std::numeric_limits<int>::max());
     }},
    {0, "generate-key", nullptr, kBoth, "print a fresh random key and exit",
     [](CommandLine& line, const std::string&) { line.request = Request::kGenerateKey; }},
    {0, "fabric", "auto|rdma|tcp", kBoth,
     "what carries the stream (auto: RDMA where there is a route, else TCP)",
     [](CommandLine& line, const std::string& value) {
       line.settings.connection.fabric = choice_value<FabricUse>(
           "--fabric", value,
           {{"auto", FabricUse::kAuto}, {"rdma", FabricUse::kRdma}, {"tcp", FabricUse::kTcp}});
     }},
    {'d', "device", "DEVICE", kBoth, "RDMA device to use (default: by route)",
     [](CommandLine& line, const std::string& value) { line.settings.connection.device = value; }},
    {0, "gid-index", "N", kBoth, "entry of the device's GID table, 0 to 255 (default: by route)",
     [](CommandLine& line, const std::string& value) {
       line.settings.connection.gid_index = number_value("--gid-index", value, 0, 255);
     }},
    {0, "address", "ADDRESS", kBoth, "local address to use",
     [](CommandLine& line, const std::string& value) { line.settings.connection.address = value; }},
    {'4', "ipv4", nullptr, kBoth, "use IPv4 only",
     [](CommandLine& line, const std::string&) { choose_ip(line, IpVersion::k4); }},
    {'6', "ipv6", nullptr, kBoth, "use IPv6 only",
     [](CommandLine& line, const std::string&) { choose_ip(line, IpVersion::k6); }},
    {0, "connect-timeout", "SECONDS", kBoth, "for connecting and authenticating (default 10)",
     [](CommandLine& line, const std::string& value) {
       line.settings.connection.connect_timeout = seconds_value("--connect-timeout", value, 0.001);
     }},
    {0, "timeout", "SECONDS", kBoth, "give up when no data moves for so long (default: never)",
     [](CommandLine& line, const std::string& value) {
       line.settings.connection.timeout = seconds_value("--timeout", value, 0);
     }},
    {0, "keep-alive", "SECONDS", kBoth, "notice a dead host or cut cable within, 1 to 3600 (default 10)",
     [](CommandLine& line, const std::string& value) {
       line.settings.connection.keep_alive = keep_alive_value("--keep-alive", value);
     }},
    {0, "ring", "SIZE", kBoth, "pinned memory for data (default 4M)",
     [](CommandLine& line, const std::string& value) {
       line.settings.connection.ring_size = size_in_memory("--ring", value);
     }},
    {'m', "memory", "SIZE", kBoth, "whole buffer; the same as --ring today",
     [](CommandLine& line, const std::string& value) {
       line.settings.connection.ring_size = size_in_memory("-m", value);
     }},
    {'s', "slot", "SIZE", kBoth, "largest frame, 4k to 4M (default 256k)",
     [](CommandLine& line, const std::string& value) {
       line.settings.connection.slot_size = size_in_memory("-s", value);
     }},
    {0, "direct", "auto|on|off", kBoth, "O_DIRECT for files (auto: where it pays)",
     [](CommandLine& line, const std::string& value) {
       line.settings.file_use.direct = choice_value<Direct>(
           "--direct", value, {{"auto", Direct::kAuto}, {"on", Direct::kOn}, {"off", Direct::kOff}});
     }},
    {0, "fsync", nullptr, kReceiveOnly, "FILE is on the medium before anybody exits 0",
     [](CommandLine& line, const std::string&) { line.settings.file_use.fsync = true; }},
    {0, "inplace", nullptr, kReceiveOnly, "write into FILE itself, not into a temporary that replaces it",
     [](CommandLine& line, const std::string&) { line.settings.file_use.inplace = true; }},
    {0, "encrypt", nullptr, kBoth, "seal the data with AES-256-GCM (default: over TCP to another host)",
     [](CommandLine& line, const std::string&) { choose_encryption(line, Switch::kOn); }},
    {0, "no-encrypt", nullptr, kBoth, "do not seal the data",
     [](CommandLine& line, const std::string&) { choose_encryption(line, Switch::kOff); }},
    {0, "no-checksum", nullptr, kBoth, "leave out the stream digest",
     [](CommandLine& line, const std::string&) { line.settings.connection.checksum = false; }},
    {0, "hash", "ALGORITHM", kBoth, "compute and print a conventional digest too (sha256, ...)",
     [](CommandLine& line, const std::string& value) { line.settings.connection.hash = value; }},
    {'h', "help", nullptr, kBoth, "print this help and exit",
     [](CommandLine& line, const std::string&) { line.request = Request::kHelp; }},
    {'V', "version", nullptr, kBoth, "print the version and exit",
     [](CommandLine& line, const std::string&) { line.request = Request::kVersion; }},
});

bool applies_to(const Option& option, Tool tool) { return (option.tools & static_cast<unsigned>(tool)) != 0; }

constexpr int kLongOnly = 1000;  // getopt's value for the option at index value - kLongOnly

struct GetoptTables {
  std::string letters = "-:";  // operands in their order, as value 1; a missing argument as ':'
  std::vector<struct option> names;
};

GetoptTables getopt_tables(Tool tool) {
  GetoptTables tables;
  for (std::size_t i = 0; i < kOptions.size(); ++i) {
    const Option& option = kOptions[i];
    if (!applies_to(option, tool)) continue;
    if (option.letter != 0) {
      tables.letters += option.letter;
      if (option.argument != nullptr) tables.letters += ':';
    }
    tables.names.push_back({option.name, option.argument != nullptr ? required_argument : no_argument,
                            nullptr, kLongOnly + static_cast<int>(i)});
  }
  tables.names.push_back({nullptr, 0, nullptr, 0});
  return tables;
}

const Option& option_of(int value) {
  if (value >= kLongOnly) return kOptions[static_cast<std::size_t>(value - kLongOnly)];
  std::size_t i = 0;
  while (kOptions[i].letter != value) ++i;
  return kOptions[i];
}

[[noreturn]] void reject(const std::string& cause) { throw Error(Status::kUsage, "", cause, "see --help"); }

[[noreturn]] void reject_option(int verdict, const char* word) {
  const std::string given =
      optopt != 0 && optopt < kLongOnly ? fmt::format("-{}", static_cast<char>(optopt)) : std::string(word);
  if (verdict == ':') reject(fmt::format("option {} needs an argument", given));
  if (optopt >= kLongOnly) reject(fmt::format("option {} takes no argument", given));
  reject(fmt::format("unknown or ambiguous option {}", given));
}

// Applies the options and returns the operands before `--`, as indices into argv; optind is then behind it.
std::vector<int> take_words(Tool tool, int argc, char** argv, CommandLine& line) {
  const GetoptTables tables = getopt_tables(tool);
  std::vector<int> operands;
  opterr = 0;
  optind = 1;
  for (;;) {
    const int verdict = ::getopt_long(argc, argv, tables.letters.c_str(), tables.names.data(), nullptr);
    if (verdict == -1) break;
    if (verdict == 1) {
      operands.push_back(optind - 1);
    } else if (verdict == ':' || verdict == '?') {
      reject_option(verdict, argv[optind - 1]);
    } else {
      const Option& option = option_of(verdict);
      // What a script leaves empty by mistake must not pass for the default.
      const bool is_empty = option.argument != nullptr && *optarg == '\0';
      if (is_empty) reject(fmt::format("option --{} needs an argument that is not empty", option.name));
      option.apply(line, option.argument == nullptr ? std::string() : std::string(optarg));
    }
  }
  return operands;
}

void overwrite(char* word) { std::memset(word, 'x', std::strlen(word)); }

void assign_operands(Tool tool, char** argv, const std::vector<int>& operands, Settings& settings) {
  const bool key_elsewhere = settings.key.file || settings.key.fd;
  std::size_t next = 0;
  const auto take = [&](const char* name) -> char* {
    if (next == operands.size()) reject(fmt::format("{} is missing", name));
    return argv[operands[next++]];
  };
  if (tool == Tool::kSend) settings.host = take("HOST");
  if (tool == Tool::kSend && settings.host.empty()) reject("HOST is empty");  // and not this host
  settings.port = take("PORT");
  if (!key_elsewhere) {
    char* key = take("KEY");
    settings.key.argument.emplace(key);
    overwrite(key);
  }
  if (next < operands.size()) settings.path = take("FILE");
  if (next < operands.size()) reject(fmt::format("one operand too many: '{}'", argv[operands[next]]));
  if (settings.key.file && settings.key.fd) reject("--key-file and --key-fd exclude each other");
}

}  // namespace

CommandLine parse_command_line(Tool tool, int argc, char** argv) {
  CommandLine line;
  std::vector<int> operands = take_words(tool, argc, argv, line);
  if (line.request != Request::kTransfer) return line;
  const bool key_elsewhere = line.settings.key.file || line.settings.key.fd;
  const std::size_t required = (tool == Tool::kSend ? 2U : 1U) + (key_elsewhere ? 0U : 1U);
  const bool dashes = optind <= argc && optind > 1 && std::strcmp(argv[optind - 1], "--") == 0;
  if (dashes && operands.size() >= required) {
    reject("a command at this end ('--' after the operands) is not supported");
  }
  for (int i = optind; i < argc; ++i) operands.push_back(i);
  assign_operands(tool, argv, operands, line.settings);
  return line;
}

std::string_view tool_name(Tool tool) { return tool == Tool::kSend ? "rdsend" : "rdrecv"; }

std::string help_text(Tool tool) {
  std::string text = tool == Tool::kSend
                         ? "Usage: rdsend [options] HOST PORT KEY [FILE]\n"
                           "Send FILE, or standard input, to the rdrecv that listens on HOST.\n\n"
                         : "Usage: rdrecv [options] PORT KEY [FILE]\n"
                           "Receive one stream from an rdsend into FILE, or to standard output.\n\n";
  for (const Option& option : kOptions) {
    if (!applies_to(option, tool)) continue;
    const std::string letter = option.letter != 0 ? fmt::format("-{}, ", option.letter) : "    ";
    const std::string argument = option.argument == nullptr ? "" : fmt::format("={}", option.argument);
    text += fmt::format("  {:<32}{}\n", fmt::format("{}--{}{}", letter, option.name, argument), option.help);
  }
  text +=
      "\nKEY '-' means the environment variable RDPIPE_KEY, or a prompt. SIZE takes k M G T, powers of "
      "1024.\n"
      "Exit 0 means that the far end has every byte, has checked it and has put it where it was told to.\n";
  return text;
}

}  // namespace rdpipe::tools
