// What the parts of the attacker over RDMA have in common. Each sleeps in its loop, and throws
// Error{kTimeout} when nobody has ended the program for long.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "io/loop.h"
#include "transport/link.h"

namespace rdpipe {

using Bytes = std::vector<std::byte>;

void print(const std::string& line);  // at once
void sleep(Loop& loop);
[[nodiscard]] std::unique_ptr<Link> dial(Loop& loop, const std::string& host, const std::string& port,
                                         bool over_tcp = false);
// Listens on a free port, which it prints.
[[nodiscard]] std::unique_ptr<Link> accept_one(Loop& loop, const std::string& host);

// Relays one connection to `host` and `port`, and does `deed` to it. `path`: where the connector's frames go,
// or nothing.
void relay(const std::string& host, const std::string& port, const std::string& deed,
           const std::string& path);

}  // namespace rdpipe
