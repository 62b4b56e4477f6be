#include "ping_settings.h"

#include <fmt/format.h>
#include <getopt.h>

#include <array>
#include <cstring>
#include <vector>

#include <rdpipe/error.h>

#include "ping_message.h"
#include "values.h"

namespace rdpipe::tools {
namespace {

struct PingOption {
  char letter;           // 0: long only
  const char* name;      // nullptr: short only
  const char* argument;  // nullptr: takes none
  const char* help;
  void (*apply)(PingSettings&, const std::string& value);
};

constexpr int kMostThreads = 1024;
constexpr int kLongestBurst = 64;

constexpr auto kOptions = std::to_array<PingOption>({
    {'c', "count", "N", "end after N messages",
     [](PingSettings& s, const std::string& v) {
       s.count = static_cast<std::uint64_t>(number_value("--count", v, 1, 2000000000));
     }},
    {'i', "interval", "SECONDS", "time between messages (1); 0: the next when the answer has come",
     [](PingSettings& s, const std::string& v) { s.interval = seconds_value("--interval", v, 0); }},
    {'s', "size", "BYTES", "size of a message (64), from 24 to what a packet holds",
     [](PingSettings& s, const std::string& v) {
       s.size = static_cast<std::size_t>(number_value("--size", v, static_cast<int>(kPingHeader), 65536));
     }},
    {'w', "deadline", "SECONDS", "end after so long, answered or not; --flood: 5",
     [](PingSettings& s, const std::string& v) { s.deadline = seconds_value("--deadline", v, 0); }},
    {0, "serve", nullptr, "answer: send back what comes",
     [](PingSettings& s, const std::string&) { s.work = PingWork::kServe; }},
    {0, "flood", nullptr, "send bursts as fast as they come back, and report the rate",
     [](PingSettings& s, const std::string&) { s.work = PingWork::kFlood; }},
    {'t', "threads", "N", "--serve, --flood: threads, each with an endpoint of its own (1)",
     [](PingSettings& s, const std::string& v) {
       s.threads = number_value("--threads", v, 1, kMostThreads);
     }},
    {'b', "burst", "N", "--flood: messages in a burst (16), 1 to 64",
     [](PingSettings& s, const std::string& v) {
       s.burst = static_cast<std::size_t>(number_value("--burst", v, 1, kLongestBurst));
     }},
    {0, "window", "N", "--flood: bursts under way to each host (4)",
     [](PingSettings& s, const std::string& v) {
       s.window = static_cast<std::size_t>(number_value("--window", v, 1, 64));
     }},
    {'p', "port", "PORT", "--serve: the port that names are asked for at (7471); 0: a free one",
     [](PingSettings& s, const std::string& v) { s.port = v; }},
    {0, "name", "NAME", "--serve: this host's name in the registry",
     [](PingSettings& s, const std::string& v) { s.name = v; }},
    {0, "busy-poll", "MICROSECONDS", "look for so long before sleeping (0)",
     [](PingSettings& s, const std::string& v) {
       s.busy_poll = std::chrono::microseconds(number_value("--busy-poll", v, 0, 1000000));
     }},
    {'d', "device", "DEVICE", "RDMA device to use",
     [](PingSettings& s, const std::string& v) { s.connection.device = v; }},
    {0, "gid-index", "N", "entry of the device's GID table to use",
     [](PingSettings& s, const std::string& v) {
       s.connection.gid_index = number_value("--gid-index", v, 0, 255);
     }},
    {0, "address", "ADDRESS", "local address to use",
     [](PingSettings& s, const std::string& v) { s.connection.address = v; }},
    {'4', "ipv4", nullptr, "IPv4 only",
     [](PingSettings& s, const std::string&) { s.connection.ip = IpVersion::k4; }},
    {'6', "ipv6", nullptr, "IPv6 only",
     [](PingSettings& s, const std::string&) { s.connection.ip = IpVersion::k6; }},
    {'q', "quiet", nullptr, "print the summary only",
     [](PingSettings& s, const std::string&) { s.quiet = true; }},
    {'h', "help", nullptr, "print this and exit",
     [](PingSettings& s, const std::string&) { s.work = PingWork::kHelp; }},
    {'V', "version", nullptr, "print the version and exit",
     [](PingSettings& s, const std::string&) { s.work = PingWork::kVersion; }},
});

[[noreturn]] void reject(const std::string& cause) { throw Error(Status::kUsage, "", cause, "see --help"); }

constexpr int kLongOnly = 1000;  // and the option's index: what getopt gives

struct Tables {
  std::string letters = ":";
  std::vector<struct option> names{};
};

Tables tables() {
  Tables out;
  for (std::size_t i = 0; i < kOptions.size(); ++i) {
    const PingOption& option = kOptions[i];
    const bool argument = option.argument != nullptr;
    if (option.letter != 0)
      out.letters += argument ? std::string{option.letter, ':'} : std::string{option.letter};
    if (option.name != nullptr) {
      out.names.push_back({option.name, argument ? required_argument : no_argument, nullptr,
                           kLongOnly + static_cast<int>(i)});
    }
  }
  out.names.push_back({nullptr, 0, nullptr, 0});
  return out;
}

void apply(int verdict, PingSettings& settings) {
  for (std::size_t i = 0; i < kOptions.size(); ++i) {
    const PingOption& option = kOptions[i];
    const bool meant =
        verdict == kLongOnly + static_cast<int>(i) || (option.letter != 0 && verdict == option.letter);
    if (!meant) continue;
    const std::string value = option.argument != nullptr ? optarg : "";
    if (option.argument != nullptr && value.empty()) {
      reject(fmt::format("option --{} needs an argument that is not empty", option.name));
    }
    return option.apply(settings, value);
  }
}

void require_operands(const PingSettings& settings) {
  if (settings.work == PingWork::kServe && !settings.hosts.empty()) reject("--serve takes no HOST");
  if (settings.work == PingWork::kPing && settings.hosts.size() > 1)
    reject("one HOST at a time, but for --flood");
  const bool needs_host = settings.work == PingWork::kPing || settings.work == PingWork::kFlood;
  if (needs_host && settings.hosts.empty()) reject("HOST is missing");
  if (settings.work == PingWork::kPing && settings.threads != 1)
    reject("--threads is for --serve and --flood");
}

}  // namespace

PingSettings parse_ping(int argc, char** argv) {
  PingSettings settings;
  settings.connection.fabric = FabricUse::kRdma;
  const Tables known = tables();
  opterr = 0;
  optind = 0;
  for (;;) {
    const int verdict = ::getopt_long(argc, argv, known.letters.c_str(), known.names.data(), nullptr);
    if (verdict == -1) break;
    if (verdict == ':') reject(fmt::format("option {} needs an argument", argv[optind - 1]));
    if (verdict == '?') reject(fmt::format("unknown or ambiguous option {}", argv[optind - 1]));
    apply(verdict, settings);
  }
  settings.hosts.assign(argv + optind, argv + argc);
  require_operands(settings);
  return settings;
}

std::string ping_help() {
  std::string text =
      "Usage: rdping [options] HOST[:PORT][/NAME]\n"
      "       rdping --serve [options]\n"
      "       rdping --flood [options] HOST[:PORT]...\n"
      "Measure round trips of datagrams over RDMA, against rdping --serve on HOST.\n\n";
  for (const PingOption& option : kOptions) {
    const std::string name = fmt::format("--{}{}{}", option.name, option.argument == nullptr ? "" : "=",
                                         option.argument == nullptr ? "" : option.argument);
    text += fmt::format("  {:<32}{}\n",
                        option.letter != 0 ? fmt::format("-{}, {}", option.letter, name) : "    " + name,
                        option.help);
  }
  return text +
         "\nWhere no rdping --serve answers, the time of a refused request is shown. The datagrams are "
         "neither\n"
         "authenticated nor encrypted. Exit 0 means that at least one answer came.\n";
}

}  // namespace rdpipe::tools
