// What rdping's command line says, besides how to connect.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <rdpipe/options.h>

namespace rdpipe::tools {

enum class PingWork : unsigned char { kPing, kServe, kFlood, kCheck };

struct PingSettings {
  PingWork work = PingWork::kPing;
  std::vector<std::string> hosts;
  Options connection;         // as for all tools
  std::string port = "7471";  // --serve
  std::string name;           // --serve: in the registry; empty: this host's
  int threads = 1;            // --serve, --flood
  std::uint64_t count = 0;    // 0: for ever
  std::chrono::nanoseconds interval = std::chrono::seconds(1);  // 0: when the answer has come
  std::optional<std::chrono::nanoseconds> deadline;             // 0: for ever, as without; but --flood: 5 s
  std::size_t size = 64;                                        // of a message, bytes
  std::size_t burst = 16, window = 4;                           // --flood: messages a burst, bursts under way
  std::optional<std::chrono::nanoseconds> busy_poll{};
  bool quiet = false;
  bool json = false;               // --check
  std::vector<std::string> given;  // the options that were named: "--count"
};

// Throws Error{kUsage} for what does not go together.
void require_sense(const PingSettings& settings);

}  // namespace rdpipe::tools
