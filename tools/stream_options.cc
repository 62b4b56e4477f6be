// Options of rdsend and rdrecv; those about the connection are rdcp's and rdping's, too.
#include <fmt/format.h>

#include <array>
#include <limits>

#include "options.h"
#include "values.h"

namespace rdpipe::tools {
namespace {

std::size_t size_in_memory(const char* option, const std::string& text) {
  const auto size = static_cast<std::size_t>(size_value(option, text));
  if (size == 0) reject_value(option, text, "a size above 0");
  return size;
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

constexpr auto kOptions = std::to_array<Option>({
    {'v', "verbose", nullptr, kStream, "print one line at the end: rate, bytes, seconds, fabric",
     [](CommandLine& line, const std::string&) { line.settings.verbose = true; }},
    {'q', "quiet", nullptr, kAll, "print errors only",
     [](CommandLine& line, const std::string&) { line.settings.quiet = true; }, nullptr, true},
    {0, "key-file", "FILE", kStream, "read the key from FILE (first line); KEY is then left out",
     [](CommandLine& line, const std::string& value) { line.settings.key.file = value; }},
    {0, "key-fd", "N", kStream, "read the key from descriptor N; KEY is then left out",
     [](CommandLine& line, const std::string& value) {
       line.settings.key.fd = number_value("--key-fd", value, 0, std::numeric_limits<int>::max());
     }},
    {0, "generate-key", nullptr, kAll, "print a fresh random key and exit",
     [](CommandLine& line, const std::string&) { line.request = Request::kGenerateKey; }},
    {0, "fabric", "auto|rdma|tcp", kAll,
     "what carries the stream (auto: RDMA where there is a route, else TCP)",
     [](CommandLine& line, const std::string& value) {
       line.settings.connection.fabric = choice_value<FabricUse>(
           "--fabric", value,
           {{"auto", FabricUse::kAuto}, {"rdma", FabricUse::kRdma}, {"tcp", FabricUse::kTcp}});
     },
     nullptr, true},
    {'d', "device", "DEVICE", kAll | kPing, "RDMA device to use (default: by route)",
     [](CommandLine& line, const std::string& value) { line.settings.connection.device = value; }, nullptr,
     false, kStream | kPing},
    {0, "gid-index", "N", kAll | kPing, "entry of the device's GID table, 0 to 255 (default: by route)",
     [](CommandLine& line, const std::string& value) {
       line.settings.connection.gid_index = number_value("--gid-index", value, 0, 255);
     }},
    {0, "address", "ADDRESS", kStream | kPing, "local address to use",
     [](CommandLine& line, const std::string& value) { line.settings.connection.address = value; }},
    {'4', "ipv4", nullptr, kAll | kPing, "use IPv4 only",
     [](CommandLine& line, const std::string&) { choose_ip(line, IpVersion::k4); }, nullptr, true},
    {'6', "ipv6", nullptr, kAll | kPing, "use IPv6 only",
     [](CommandLine& line, const std::string&) { choose_ip(line, IpVersion::k6); }, nullptr, true},
    {0, "connect-timeout", "SECONDS", kStream, "for connecting and authenticating (default 10)",
     [](CommandLine& line, const std::string& value) {
       line.settings.connection.connect_timeout = seconds_value("--connect-timeout", value, 0.001);
     }},
    {'W', "timeout", "SECONDS", kAll, "give up when no data moves for so long (default: never)",
     [](CommandLine& line, const std::string& value) {
       line.settings.connection.timeout = seconds_value("--timeout", value, 0);
     },
     nullptr, true, kStream},
    {0, "keep-alive", "SECONDS", kAll, "notice a dead host or cut cable within, 1 to 3600 (default 10)",
     [](CommandLine& line, const std::string& value) {
       line.settings.connection.keep_alive = keep_alive_value("--keep-alive", value);
     },
     nullptr, true},
    {0, "ring", "SIZE", kAll, "memory for data (default 5M, TCP: 4M)",
     [](CommandLine& line, const std::string& value) {
       line.settings.connection.ring_size = size_in_memory("--ring", value);
     },
     nullptr, true},
    {'m', "memory", "SIZE", kStream, "whole buffer; the same as --ring today",
     [](CommandLine& line, const std::string& value) {
       line.settings.connection.ring_size = size_in_memory("-m", value);
     }},
    {'s', "slot", "SIZE", kAll, "largest frame, 4k to 4M (default 1M, TCP: 256k)",
     [](CommandLine& line, const std::string& value) {
       line.settings.connection.slot_size = size_in_memory("-s", value);
     },
     nullptr, true, kStream},
    {0, "direct", "auto|on|off", kStream, "O_DIRECT for files (auto: where it pays)",
     [](CommandLine& line, const std::string& value) {
       line.settings.file_use.direct = choice_value<Direct>(
           "--direct", value, {{"auto", Direct::kAuto}, {"on", Direct::kOn}, {"off", Direct::kOff}});
     }},
    {0, "fsync", nullptr, kReceiveOnly, "FILE is on the medium before anybody exits 0",
     [](CommandLine& line, const std::string&) { line.settings.file_use.fsync = true; }},
    {0, "inplace", nullptr, kReceiveOnly, "write into FILE itself, not into a temporary that replaces it",
     [](CommandLine& line, const std::string&) { line.settings.file_use.inplace = true; }},
    {0, "encrypt", nullptr, kAll, "seal the data with AES-256-GCM (default: over TCP to another host)",
     [](CommandLine& line, const std::string&) { choose_encryption(line, Switch::kOn); }, nullptr, true},
    {0, "no-encrypt", nullptr, kAll, "do not seal the data",
     [](CommandLine& line, const std::string&) { choose_encryption(line, Switch::kOff); }, nullptr, true},
    {0, "no-checksum", nullptr, kStream, "leave out the stream digest",
     [](CommandLine& line, const std::string&) { line.settings.connection.checksum = false; }},
    {0, "hash", "ALGORITHM", kStream, "compute and print a conventional digest too (sha256, ...)",
     [](CommandLine& line, const std::string& value) { line.settings.connection.hash = value; }},
    {'h', "help", nullptr, kStream | kPing, "print this help and exit",
     [](CommandLine& line, const std::string&) { line.request = Request::kHelp; }},
    {'V', "version", nullptr, kAll | kPing, "print the version and exit",
     [](CommandLine& line, const std::string&) { line.request = Request::kVersion; }},
});

}  // namespace

std::span<const Option> stream_options() { return kOptions; }

}  // namespace rdpipe::tools
