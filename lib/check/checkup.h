// The whole check: this host, and the way to another. Thread of the loop.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "check/devices.h"
#include "check/findings.h"
#include "ground/deadline.h"
#include "io/loop.h"
#include "transport/fabric.h"

namespace rdpipe {

struct CheckRequest {
  PeerAddress peer;  // host empty: this host alone; port empty: only the host
  FabricOptions fabric{};
  Nanoseconds patience = std::chrono::seconds(10);  // for the name service, and for each fabric
  std::size_t ring = 0;                             // that a transfer pins, bytes
  KernelRoots roots{};
};

enum class TcpUse : std::uint8_t { kUnknown, kYes, kNo };

struct CheckReport {
  std::string host, port;  // as asked for; may be empty
  std::vector<RdmaDevice> devices;
  Findings findings;           // in the order in which they were looked at
  std::string device, source;  // that lead to the host over RDMA; empty where none do
  TcpUse tcp = TcpUse::kUnknown;
  std::string summary{};  // one line

  [[nodiscard]] bool rdma() const { return status() == Status::kOk; }
  // kOk where RDMA would work, otherwise that of the first failure.
  [[nodiscard]] Status status() const {
    const auto first = std::ranges::find(findings, Health::kFail, &Finding::health);
    return first == findings.end() ? Status::kOk : first->status;
  }
};

[[nodiscard]] CheckReport run_checks(Loop& loop, const CheckRequest& request);

}  // namespace rdpipe
