// Which device and which of its addresses the options mean. No state, any thread; asks the name service and
// the devices, so it may take long.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "transport/address.h"
#include "transport/fabric.h"
#include "verbs/connection.h"

namespace rdpipe {

// A peer's address and, where the options say so, the address to come from.
struct RdmaRoute {
  SocketAddress remote;
  std::optional<SocketAddress> local;
};

// In the order to try. Throws what resolve() throws, and Error{kEndpoint} where the options leave none.
[[nodiscard]] std::vector<RdmaRoute> rdma_routes(const PeerAddress& peer, const FabricOptions& options);
// The same to addresses of `peer` that are known already.
[[nodiscard]] std::vector<RdmaRoute> rdma_routes_to(const std::vector<SocketAddress>& remotes,
                                                    const PeerAddress& peer, const FabricOptions& options);

// The addresses to listen on, the first that works being enough; port 0 where that is asked for.
[[nodiscard]] std::vector<SocketAddress> rdma_listen_addresses(const std::string& port,
                                                               const FabricOptions& options);

// Listens at one of these with an id that is new. 0 or an errno value: EADDRINUSE where the port is taken.
[[nodiscard]] int rdma_listen_at(ConnectionId& id, const SocketAddress& address, const FabricOptions& options,
                                 int backlog);

// Whether the options allow the device of `id`: the one that they name, or any. iWARP's has to be asked for,
// by name or with RDMA itself: closing its connections may block for as long as the peer likes, and nobody
// has tried it.
[[nodiscard]] bool rdma_allows(const FabricOptions& options, const ConnectionId& id);

// The devices that the options allow.
[[nodiscard]] std::vector<std::string> rdma_allowed_devices(const FabricOptions& options);

}  // namespace rdpipe
