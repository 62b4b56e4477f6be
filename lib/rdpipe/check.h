// What is in the way of RDMA on this host and to another one, for the tools.
#pragma once

#include <string>

#include "check/checkup.h"
#include "rdpipe/options.h"

namespace rdpipe {

// Looks at this host and, unless `host` is empty, at the way to it and, unless `port` is empty, at what
// listens there. Of the options those count that say how to connect; connect_timeout is for an answer, over
// each fabric. What is wrong is a finding; throws Error{kUsage} for what was asked wrongly, and what
// on_interrupt throws.
[[nodiscard]] __attribute__((visibility("default"))) CheckReport check_rdma(const std::string& host,
                                                                            const std::string& port,
                                                                            const Options& options);

}  // namespace rdpipe
