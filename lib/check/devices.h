// The RDMA devices of this host as the kernel shows them in sysfs, and what is wrong with them. Values; any
// thread.
#pragma once

#include <string>
#include <vector>

#include "check/findings.h"
#include "transport/fabric.h"

namespace rdpipe {

struct RdmaGid {
  unsigned index = 0;
  std::string gid{};      // as the kernel writes it
  std::string type{};     // "RoCE v2", "IB/RoCE v1"
  std::string address{};  // of RoCE v2: the IP address that it stands for
  std::string netdev{};   // "eth0"; empty on InfiniBand
};

struct RdmaPort {
  unsigned number = 0;
  std::string state{};       // "ACTIVE", "DOWN", "INIT"
  std::string link_layer{};  // "Ethernet", "InfiniBand"
  std::string rate{};        // "100 Gb/sec (4X EDR)"
  unsigned mtu = 0;          // payload of a packet, bytes; 0: not known
  std::string netdev{};
  unsigned netdev_mtu = 0;  // bytes; 0: not known
  std::vector<RdmaGid> gids{};

  [[nodiscard]] bool is_active() const { return state == "ACTIVE"; }
  [[nodiscard]] bool is_ethernet() const { return link_layer == "Ethernet"; }
  [[nodiscard]] bool has_roce_address() const;  // that is more than link-local
};

struct RdmaDevice {
  std::string name{};      // "mlx5_0", "rxe0"
  std::string driver{};    // "mlx5_core"; of a software device "software"
  std::string node{};      // "uverbs0"; empty where ib_uverbs has none
  int node_error = 0;      // why this user cannot open the node: an errno value
  bool listed = true;      // libibverbs has a driver for it
  std::string obstacle{};  // why libibverbs cannot use it all the same; empty: it can
  bool iwarp = false;
  std::vector<RdmaPort> ports{};
};

// In the order of their names. What is not in sysfs (`mtu`, `listed`, `obstacle`) is left as it is.
[[nodiscard]] std::vector<RdmaDevice> read_devices(const KernelRoots& roots);

// What may be wrong: no device (that `options` allow), each device, each of its ports, and its addresses.
// What fails is no more than a warning where one device has all that a connection takes.
[[nodiscard]] Findings judge_devices(const std::vector<RdmaDevice>& devices,
                                     const FabricOptions& options = {});

}  // namespace rdpipe
