// What rdcp --serve is told, and what it makes of a client's words; the server itself is <rdpipe/serve.h>.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <rdpipe/serve.h>

namespace rdpipe::tools {

enum class LogFormat : unsigned char { kText, kJson };

struct ServeSettings {
  std::string key_file{};               // --key-file, as in key_list.h; empty: none
  bool insecure_no_key = false;         // anybody on this host
  bool read_only = false;               // nobody writes
  bool write_only = false;              // nobody reads
  std::optional<std::uint16_t> port{};  // 0: a free one; not given: kServerPort
  unsigned max_clients = 32;
  unsigned max_clients_per_key = 0;  // as in ServeOptions
  std::size_t memory = 0;            // bytes, as in ServeOptions
  std::chrono::nanoseconds grace = std::chrono::seconds(30);
  std::string user{};  // "USER" or "USER:GROUP"; empty: whoever starts it
  bool keep_owners = false;
  bool make_devices = false;
  bool keep_special_bits = false;
  LogFormat log_format = LogFormat::kText;
  std::string status_file{};  // empty: none
};

// What a client asks for. Its words are a stranger's to the file system: only options that rdcp tells another
// end are taken, none is applied that reads a file, the environment or prints, and those of the connection
// are ignored. Throws Error{kUsage}, in a line of bounded length. For one thread at a time.
[[nodiscard]] ServedCopy served_copy(const std::vector<std::string>& words);

}  // namespace rdpipe::tools
