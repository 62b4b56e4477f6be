#include "rdpipe/check.h"

#include "io/loop.h"
#include "rdpipe/fabric_options.h"
#include "ring/ring.h"

namespace rdpipe {

CheckReport check_rdma(const std::string& host, const std::string& port, const Options& options) {
  require_valid(options);
  Loop loop(LoopOptions{.use_uring = options.use_uring});
  hear_interrupts(loop, options);
  CheckRequest request;
  request.peer = {host, port};
  request.fabric = fabric_options(options);
  request.patience = options.connect_timeout;
  request.ring = ring_shape(options, Fabric::kRdma).payload_bytes();
  return run_checks(loop, request);
}

}  // namespace rdpipe
