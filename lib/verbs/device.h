// The RDMA devices of this host, as far as one must know them before there is a connection. No state, any
// thread.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

struct ibv_context;

namespace rdpipe {

struct CloseDevice {
  void operator()(ibv_context* context) const;
};
using OpenDevice = std::unique_ptr<ibv_context, CloseDevice>;

// Null and errno where there is no such device, or it may not be used.
[[nodiscard]] OpenDevice open_rdma_device(const std::string& name);

// The names of this host's RDMA devices ("rxe0", "mlx5_0"); empty where there is none.
[[nodiscard]] std::vector<std::string> rdma_device_names();

// Whether that is a device of iWARP; false for no such device.
[[nodiscard]] bool is_iwarp(const std::string& device);

// Whether connections can be made at all: the kernel's rdma_cm can be reached from user space. 0, or the
// errno value that says why not.
[[nodiscard]] int rdma_cm_unavailable();

// One entry of a device's GID table that stands for an IP address (RoCE).
struct GidAddress {
  unsigned port = 1;           // of the device
  int index = 0;               // in the port's table
  bool link_local = false;     // fe80::/10
  sockaddr_storage address{};  // AF_INET or AF_INET6, port 0; a link-local one has its interface
};

// The IP addresses of a device; empty for InfiniBand and iWARP, whose GIDs are none, or for no such device.
[[nodiscard]] std::vector<GidAddress> gid_addresses(const std::string& device);

// The largest packet's payload on a port as it is now, bytes; 0 where the device cannot be asked.
[[nodiscard]] unsigned active_mtu(const std::string& device, unsigned port);

// Pins so much memory for the device, and lets go of it at once. 0, or the errno value that says why it
// cannot.
[[nodiscard]] int try_pinning(const std::string& device, std::size_t bytes);

}  // namespace rdpipe
