// What rdping's command line says.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <rdpipe/options.h>

namespace rdpipe::tools {

enum class PingWork : unsigned char { kPing, kServe, kFlood, kHelp, kVersion };

struct PingSettings {
  PingWork work = PingWork::kPing;
  std::vector<std::string> hosts;
  Options connection;         // fabric, device, GID index, address, IP version
  std::string port = "7471";  // --serve
  std::string name;           // --serve: in the registry; empty: this host's
  int threads = 1;            // --serve, --flood
  std::uint64_t count = 0;    // 0: for ever
  std::chrono::nanoseconds interval = std::chrono::seconds(1);  // 0: when the answer has come
  std::chrono::nanoseconds deadline{0};                         // 0: none; --flood: 5 s
  std::size_t size = 64;                                        // of a message, bytes
  std::size_t burst = 16, window = 4;                           // --flood: messages a burst, bursts under way
  std::chrono::nanoseconds busy_poll{0};
  bool quiet = false;
};

// Throws Error{kUsage}.
[[nodiscard]] PingSettings parse_ping(int argc, char** argv);
[[nodiscard]] std::string ping_help();

}  // namespace rdpipe::tools
