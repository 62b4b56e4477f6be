#include "transport/rdma_route.h"

#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>
#include <cerrno>

#include "ground/error.h"
#include "transport/dial.h"
#include "transport/rdma_endpoint.h"
#include "verbs/device.h"

namespace rdpipe {
namespace {

bool is_link_local(const SocketAddress& address) {
  if (address.family() != AF_INET6) return false;
  return IN6_IS_ADDR_LINKLOCAL(&reinterpret_cast<const sockaddr_in6*>(address.get())->sin6_addr);
}

bool allows(const FabricOptions& options, const std::string& device, bool iwarp) {
  if (!options.device.empty()) return device == options.device;
  return demands_rdma(options) || !iwarp;
}

std::string device_of(const FabricOptions& options) {
  if (!options.device.empty()) return options.device;
  const auto names = rdma_device_names();
  if (names.size() == 1) return names.front();
  throw Error(Status::kUsage, fmt::format("use GID index {}", options.gid_index), "of which device?",
              "name one: -d DEVICE");
}

// rdma_cm chooses the GID by the source address, so a GID index is honoured by coming from its address.
SocketAddress address_of_gid(const FabricOptions& options) {
  const std::string device = device_of(options);
  for (const GidAddress& gid : gid_addresses(device)) {
    if (gid.index == options.gid_index)
      return socket_address(reinterpret_cast<const sockaddr*>(&gid.address));
  }
  throw Error(Status::kEndpoint, fmt::format("use GID index {} of {}", options.gid_index, device),
              "no IP address stands there, and rdma_cm cannot use any other");
}

// Where to come from; empty: the routes decide.
std::vector<SocketAddress> source_addresses(const FabricOptions& options) {
  if (!options.address.empty()) return resolve({options.address, "0"}, options.family, Purpose::kBind);
  if (options.gid_index >= 0) return {address_of_gid(options)};
  std::vector<SocketAddress> sources;
  if (options.device.empty()) return sources;
  for (const GidAddress& gid : gid_addresses(options.device)) {
    sources.push_back(socket_address(reinterpret_cast<const sockaddr*>(&gid.address)));
  }
  return sources;
}

bool is_any(const SocketAddress& address) {
  if (address.family() == AF_INET6) {
    return IN6_IS_ADDR_UNSPECIFIED(&reinterpret_cast<const sockaddr_in6*>(address.get())->sin6_addr);
  }
  return reinterpret_cast<const sockaddr_in*>(address.get())->sin_addr.s_addr == INADDR_ANY;
}

}  // namespace

std::vector<RdmaRoute> rdma_routes(const PeerAddress& peer, const FabricOptions& options) {
  return rdma_routes_to(resolve(peer, options.family, Purpose::kConnect), peer, options);
}

std::vector<RdmaRoute> rdma_routes_to(const std::vector<SocketAddress>& remotes, const PeerAddress& peer,
                                      const FabricOptions& options) {
  std::vector<RdmaRoute> routes;
  const auto sources = source_addresses(options);
  for (const SocketAddress& remote : remotes) {
    if (sources.empty()) routes.push_back({remote, {}});
    for (const SocketAddress& local : sources) {
      const bool fits = local.family() == remote.family() && is_link_local(local) == is_link_local(remote);
      if (fits) routes.push_back({remote, local});
    }
  }
  if (routes.empty()) {
    throw Error(Status::kEndpoint, "connect to " + endpoint_text(peer) + " over RDMA",
                "the local address or device has no address of the peer's kind");
  }
  return routes;
}

std::vector<SocketAddress> rdma_listen_addresses(const std::string& port, const FabricOptions& options) {
  if (!options.address.empty()) return resolve({options.address, port}, options.family, Purpose::kBind);
  std::vector<SocketAddress> addresses;
  for (const auto family : {AddressFamily::kIpv6, AddressFamily::kIpv4}) {
    if (options.family != AddressFamily::kAny && options.family != family) continue;
    sockaddr_storage any{};
    any.ss_family = family == AddressFamily::kIpv6 ? AF_INET6 : AF_INET;
    addresses.push_back(socket_address(reinterpret_cast<const sockaddr*>(&any)));
  }
  if (options.gid_index >= 0) addresses = {address_of_gid(options)};
  const SocketAddress numbered = resolve({"", port}, options.family, Purpose::kBind).front();
  for (SocketAddress& address : addresses) address.set_port(numbered.port());
  return addresses;
}

int rdma_listen_at(ConnectionId& id, const SocketAddress& address, const FabricOptions& options,
                   int backlog) {
  if (address.family() == AF_INET6) id.set_v6_only(options.family == AddressFamily::kIpv6);
  const int error = id.bind(address.get());
  // So says the kernel when one of the two listeners on a port is for any address.
  if (error == EADDRNOTAVAIL && (is_any(address) || !interface_of(address).empty())) return EADDRINUSE;
  return error != 0 ? error : id.listen(backlog);
}

bool rdma_allows(const FabricOptions& options, const ConnectionId& id) {
  return allows(options, id.device_name(), id.is_iwarp());
}

std::vector<std::string> rdma_allowed_devices(const FabricOptions& options) {
  auto names = rdma_device_names();
  std::erase_if(names, [&](const std::string& name) { return !allows(options, name, is_iwarp(name)); });
  return names;
}

bool rdma_available(const FabricOptions& options, std::string& why_not) {
  const auto names = rdma_device_names();
  if (names.empty()) {
    why_not = "this host has no RDMA device";
  } else if (options.device.empty() && rdma_allowed_devices(options).empty()) {
    why_not = fmt::format("{} is iWARP, which only --fabric=rdma or --device uses", fmt::join(names, ", "));
  } else if (rdma_allowed_devices(options).empty()) {
    why_not = fmt::format("this host has no RDMA device '{}' (it has {})", printable(options.device),
                          fmt::join(names, ", "));
  } else if (const int error = rdma_cm_unavailable(); error != 0) {
    why_not = fmt::format("the kernel's RDMA connection manager (module rdma_ucm) cannot be used: {}",
                          errno_text(error));
  } else {
    return true;
  }
  return false;
}

}  // namespace rdpipe
