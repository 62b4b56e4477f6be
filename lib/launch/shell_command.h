// Which words start rdcp on another host. Pure.
#pragma once

#include <string>
#include <vector>

#include "launch/host_path.h"

namespace rdpipe {

struct RemoteShell {
  std::string command{};               // as for a shell: "ssh -p 2222"; empty: ssh
  std::vector<std::string> options{};  // each becomes `-o OPTION`
  std::string config{};                // -F
  std::string jump{};                  // -J
  std::string rdcp{"rdcp"};            // the command there, as for a shell
};

// The program and its arguments. To ssh go also the options that keep its connection one plain pipe, and that
// end it within 15 s when the other host is dead; what the user says comes first and prevails. Another
// command is given `[-l user] host`, and then, as ssh is, the words for the remote shell. Throws
// Error{kUsage}.
[[nodiscard]] std::vector<std::string> shell_command(const RemoteShell& shell, const HostPath& where);

}  // namespace rdpipe
