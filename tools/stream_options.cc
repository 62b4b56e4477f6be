// Options of rdsend and rdrecv; those about the connection are rdcp's and rdping's, too.
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <limits>
#include <optional>
#include <utility>

#include "operands.h"
#include "options.h"
#include "values.h"

namespace rdpipe::tools {
namespace {

std::size_t size_in_memory(const char* option, const std::string& text) {
  const auto size = static_cast<std::size_t>(size_value(option, text));
  if (size == 0) reject_value(option, text, "a size above 0");
  return size;
}

// "4G", or "10%" of the host's memory.
std::size_t share_of_memory(const char* option, const std::string& text) {
  if (text.empty() || text.back() != '%') return size_in_memory(option, text);
  const int percent = number_value(option, text.substr(0, text.size() - 1), 1, 100);
  const auto pages = static_cast<std::size_t>(::sysconf(_SC_PHYS_PAGES));
  return pages / 100 * static_cast<std::size_t>(percent) * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

std::uint64_t rate_value(const char* option, const std::string& text) {
  const std::uint64_t rate = size_value(option, text);
  if (rate == 0) reject_value(option, text, "a rate above 0");
  return rate;
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

void compress(CommandLine& line, const std::string& value) {
  line.settings.connection.compression = compression_value(value.empty() ? "zstd" : value);
}

void choose_listening(CommandLine& line, bool keeps_on) {
  choose<std::optional<bool>>(line.settings.keeps_listening, {}, keeps_on, "--keep-listening and --once");
}

void listen_on(CommandLine& line, const std::string& value) {
  if (!line.settings.port.empty()) throw Error(Status::kUsage, "", "-I is given twice", "see --help");
  line.settings.port = port_value("-I", value);
}

// "-" is standard input or output.
void choose_path(const char* option, CommandLine& line, const std::string& value) {
  Settings& settings = line.settings;
  if (settings.path_by_option) {
    throw Error(Status::kUsage, "", fmt::format("{} is given twice", option), "see --help");
  }
  settings.path_by_option = true;
  if (value != "-") settings.path = value;
}

constexpr auto kOptions = std::to_array<Option>({
    {'O', nullptr, "HOST:PORT", kSendOnly, "send to this rdrecv, in place of HOST PORT; may be repeated",
     [](CommandLine& line, const std::string& value) {
       line.settings.targets.push_back(target_value("-O", value));
     }},
    {0, "min-receivers", "N", kSendOnly,
     "of several -O, so many must commit, or nobody goes on (default: all)",
     [](CommandLine& line, const std::string& value) {
       line.settings.fan_out.min_receivers =
           static_cast<std::size_t>(number_value("--min-receivers", value, 1, 1000));
     }},
    {0, "drop-slow", "SECONDS", kSendOnly, "of several -O, give up one that holds up the others for so long",
     [](CommandLine& line, const std::string& value) {
       line.settings.fan_out.drop_slow = seconds_value("--drop-slow", value, 0.001);
     }},
    {'I', nullptr, "PORT", kReceiveOnly, "listen on this, in place of PORT", listen_on},
    {'i', nullptr, "FILE", kSendOnly, "send FILE; '-': standard input",
     [](CommandLine& line, const std::string& value) { choose_path("-i", line, value); }},
    {'o', nullptr, "FILE", kReceiveOnly, "receive into FILE, which must not exist; '-': standard output",
     [](CommandLine& line, const std::string& value) { choose_path("-o", line, value); }},
    {'f', nullptr, nullptr, kReceiveOnly, "the FILE of -o may exist, and is replaced",
     [](CommandLine& line, const std::string&) { line.settings.replaces = true; }},
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
    {'m', "memory", "SIZE|PERCENT%", kStream, "buffer in memory beyond the ring; % of what the host has",
     [](CommandLine& line, const std::string& value) {
       line.settings.connection.buffer_size = share_of_memory("-m", value);
     }},
    {'P', "start-write", "PERCENT", kStream, "an empty -m fills so far before anything leaves it (default 0)",
     [](CommandLine& line, const std::string& value) {
       line.settings.connection.start_write = number_value("-P", value, 0, 100);
     }},
    {'p', "start-read", "PERCENT", kStream, "a full -m is emptied below this before more is put in (100)",
     [](CommandLine& line, const std::string& value) {
       line.settings.connection.start_read = number_value("-p", value, 1, 100);
     }},
    {'r', "read-rate", "RATE", kStream, "read (rdrecv: from the network) at most so many bytes a second",
     [](CommandLine& line, const std::string& value) {
       line.settings.connection.read_rate = rate_value("-r", value);
     }},
    {'R', "write-rate", "RATE", kStream, "write (rdsend: to the network) at most so many bytes a second",
     [](CommandLine& line, const std::string& value) {
       line.settings.connection.write_rate = rate_value("-R", value);
     }},
    {0, "rate-limit", "RATE", kAll, "send or receive at most so many bytes a second",
     [](CommandLine& line, const std::string& value) {
       line.settings.connection.rate_limit = rate_value("--rate-limit", value);
     },
     nullptr, true},
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
    {'k', "keep-listening", nullptr, kReceiveOnly, "serve one sender after another",
     [](CommandLine& line, const std::string&) { choose_listening(line, true); }},
    {0, "once", nullptr, kReceiveOnly, "serve one sender (the default)",
     [](CommandLine& line, const std::string&) { choose_listening(line, false); }},
    {0, "forward", "HOST:PORT", kReceiveOnly, "also send it on, to the rdrecv there",
     [](CommandLine& line, const std::string& value) {
       line.settings.next = target_value("--forward", value);
     }},
    {0, "encrypt", nullptr, kAll, "seal the data with AES-256-GCM (default: over TCP to another host)",
     [](CommandLine& line, const std::string&) { choose_encryption(line, Switch::kOn); }, nullptr, true},
    {0, "no-encrypt", nullptr, kAll, "do not seal the data",
     [](CommandLine& line, const std::string&) { choose_encryption(line, Switch::kOff); }, nullptr, true},
    {'z', "compress", "auto|lz4|zstd", kAll, "compress what is sent; zstd:LEVEL, 1 to 19 (alone: zstd)",
     compress, [](CommandLine& line) { line.settings.connection.compression = {}; }, true, ~0U, false, true},
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
