// Options of rdcp --serve, and of those who talk to such a server.
#include <array>
#include <limits>

#include "options.h"
#include "values.h"

namespace rdpipe::tools {
namespace {

using Line = CommandLine;
using Text = std::string;

constexpr int kMostClients = kMostServedClients;

// What `option` is to set: it means nothing without --serve, and must not pass unnoticed there.
ServeSettings& serving(Line& line, const char* option) {
  line.copy.serve_option = option;
  return line.copy.serving;
}

void set_memory(Line& line, const Text& value) {
  const auto size = static_cast<std::size_t>(size_value("--memory", value));
  if (size == 0) reject_value("--memory", value, "a size above 0");
  serving(line, "--memory").memory = size;
}

void set_max_clients(Line& line, const Text& value) {
  serving(line, "--max-clients").max_clients =
      static_cast<unsigned>(number_value("--max-clients", value, 1, kMostClients));
}

void set_max_clients_per_key(Line& line, const Text& value) {
  const int number = number_value("--max-clients-per-key", value, 1, kMostClients);
  serving(line, "--max-clients-per-key").max_clients_per_key = static_cast<unsigned>(number);
}

void allow(Line& line, const Text& value) {
  ServeSettings& settings = serving(line, "--allow");
  const auto allowed =
      choice_value<bool ServeSettings::*>("--allow", value,
                                          {{"owners", &ServeSettings::keep_owners},
                                           {"devices", &ServeSettings::make_devices},
                                           {"special-bits", &ServeSettings::keep_special_bits}});
  settings.*allowed = true;
}

void set_log_format(Line& line, const Text& value) {
  serving(line, "--log-format").log_format = choice_value<LogFormat>(
      "--log-format", value, {{"text", LogFormat::kText}, {"json", LogFormat::kJson}});
}

void set_key_file(Line& line, const Text& value) {
  line.settings.key.file = value;
  line.copy.serving.key_file = value;
}

void set_key_fd(Line& line, const Text& value) {
  line.settings.key.fd = number_value("--key-fd", value, 0, std::numeric_limits<int>::max());
}

constexpr auto kOptions = std::to_array<Option>({
    {0, "serve", nullptr, kCopy, "be a server of the one operand, a directory",
     [](Line& line, const Text&) { line.copy.serve = true; }},
    {0, "key-file", "FILE", kCopy, "read the key for a server from FILE (first line); with --serve: all keys",
     set_key_file},
    {0, "key-fd", "N", kCopy, "read the key for a server from descriptor N", set_key_fd},
    {0, "insecure-no-key", nullptr, kCopy, "a server, or with --serve its clients, needs no key",
     [](Line& line, const Text&) { line.copy.serving.insecure_no_key = true; }},
    {0, "wait", nullptr, kCopy, "wait for a turn where a server is busy",
     [](Line& line, const Text&) { line.copy.waits_for_turn = true; }},
    {0, "read-only", nullptr, kCopy, "with --serve: nobody writes",
     [](Line& line, const Text&) { serving(line, "--read-only").read_only = true; }},
    {0, "write-only", nullptr, kCopy, "with --serve: nobody reads",
     [](Line& line, const Text&) { serving(line, "--write-only").write_only = true; }},
    {0, "max-clients", "N", kCopy, "with --serve: at most N at once, 1 to 4096 (default 32)",
     set_max_clients},
    {0, "max-clients-per-key", "N", kCopy,
     "with --serve: at most N with one key (default: all of one key, of several three quarters)",
     set_max_clients_per_key},
    {'m', "memory", "SIZE", kCopy, "with --serve: memory for all clients' data (default: N rings)",
     set_memory},
    {0, "grace", "SECONDS", kCopy, "with --serve: time for transfers to end once it is stopped (default 30)",
     [](Line& line, const Text& value) {
       serving(line, "--grace").grace = seconds_value("--grace", value, 0);
     }},
    {0, "user", "USER[:GROUP]", kCopy, "with --serve: become USER before it listens",
     [](Line& line, const Text& value) { serving(line, "--user").user = value; }},
    {0, "allow", "owners|devices|special-bits", kCopy, "with --serve: let clients make these", allow},
    {0, "log-format", "text|json", kCopy, "with --serve: how a transfer is reported (default text)",
     set_log_format},
    {0, "status-file", "FILE", kCopy, "with --serve: keep FILE up to date with counts and rates",
     [](Line& line, const Text& value) { serving(line, "--status-file").status_file = value; }},
});

}  // namespace

std::span<const Option> serve_options() { return kOptions; }

}  // namespace rdpipe::tools
