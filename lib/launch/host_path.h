// What an operand of rdcp names: a path here, or one on a host that a remote shell reaches. Pure values; no
// name is looked up.
#pragma once

#include <string>

namespace rdpipe {

struct HostPath {
  std::string user{};  // empty: whatever the shell takes
  std::string host{};  // without brackets; empty: this host
  std::string path{};  // of a host's path that was empty: "."

  [[nodiscard]] bool is_remote() const { return !host.empty(); }
  [[nodiscard]] bool same_host(const HostPath& other) const {
    return user == other.user && host == other.host;
  }
  bool operator==(const HostPath&) const = default;
};

// "path", "[user@]host:path" or "[user@][v6addr]:path"; a colon behind a '/' belongs to a path. Throws
// Error{kUsage} for what a remote shell would take for an option or for two words, and for a "host::module".
[[nodiscard]] __attribute__((visibility("default"))) HostPath parse_host_path(const std::string& text);

// `path` with a leading "~" or "~user" replaced by that user's home directory; as it is where there is none.
[[nodiscard]] __attribute__((visibility("default"))) std::string expand_home(const std::string& path);

}  // namespace rdpipe
