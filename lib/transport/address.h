// Socket addresses as values: resolved from names, written for people. No state, any thread.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <vector>

#include "transport/fabric.h"

namespace rdpipe {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;

  [[nodiscard]] int family() const noexcept { return storage.ss_family; }
  [[nodiscard]] const sockaddr* get() const noexcept { return reinterpret_cast<const sockaddr*>(&storage); }
  [[nodiscard]] sockaddr* get() noexcept { return reinterpret_cast<sockaddr*>(&storage); }
  [[nodiscard]] std::uint16_t port() const noexcept;
  void set_port(std::uint16_t port) noexcept;
  [[nodiscard]] bool is_loopback() const noexcept;
  // The same host address, whatever the port; an IPv4-mapped IPv6 address is the IPv4 address.
  [[nodiscard]] bool same_address(const SocketAddress& other) const noexcept;
  [[nodiscard]] std::string text() const;  // "10.0.0.1:12345", "[fe80::1%eth0]:12345"
};

[[nodiscard]] SocketAddress local_address(int socket);  // throw Error{kNetwork}
[[nodiscard]] SocketAddress peer_address(int socket);

// "host:port", with brackets where the host is an IPv6 literal: for messages.
[[nodiscard]] std::string endpoint_text(const PeerAddress& peer);

enum class Purpose : std::uint8_t { kConnect, kBind };

// The addresses of a host (empty with kBind: any) and port, in the order to try. May take long: it asks the
// name service. Throws Error{kEndpoint} for an unknown host, kUsage for a port that is none, kNetwork when
// the name service does not answer now.
[[nodiscard]] std::vector<SocketAddress> resolve(const PeerAddress& peer, AddressFamily family,
                                                 Purpose purpose);

// The name of the interface that has this address, or nothing.
[[nodiscard]] std::string interface_of(const SocketAddress& address);

}  // namespace rdpipe
