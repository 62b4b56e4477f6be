// What an operand of rdcp names: a path here, one on a host that a remote shell reaches, or one of an rdcp
// server. Pure values; no name is looked up.
#pragma once

#include <cstdint>
#include <string>

namespace rdpipe {

struct HostPath {
  std::string user{};      // empty: whatever the shell takes
  std::string host{};      // without brackets; empty: this host
  std::string path{};      // of a host's path that was empty: "."; of a server relative to its directory
  bool server = false;     // an rdcp server's, which no shell starts
  std::uint16_t port = 0;  // of a server; 0: where it is by default

  [[nodiscard]] bool is_remote() const { return !host.empty(); }
  [[nodiscard]] bool same_host(const HostPath& other) const {
    return user == other.user && host == other.host && server == other.server && port == other.port;
  }
  bool operator==(const HostPath&) const = default;
};

// "path", "[user@]host:path" or "[user@][v6addr]:path"; a colon behind a '/' belongs to a path. Of a server
// "host::path", "[v6addr]::path" or "rdcp://host[:port]/path", where slashes in front of the path mean
// nothing, and nothing is decoded. Throws Error{kUsage} for what a remote shell would take for an option or
// for two words, for a user of a server, and for "host:port::path".
[[nodiscard]] __attribute__((visibility("default"))) HostPath parse_host_path(const std::string& text);

// `path` with a leading "~" or "~user" replaced by that user's home directory; as it is where there is none.
[[nodiscard]] __attribute__((visibility("default"))) std::string expand_home(const std::string& path);

}  // namespace rdpipe
