#include "transport/address.h"

#include <fmt/format.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>

#include "ground/error.h"

namespace rdpipe {
namespace {

template <typename T>
T as(const SocketAddress& address) {
  T value;
  static_assert(sizeof value <= sizeof address.storage);
  std::memcpy(&value, &address.storage, sizeof value);
  return value;
}

// The address as 16 bytes, IPv4 mapped into IPv6.
in6_addr mapped(const SocketAddress& address) {
  if (address.family() == AF_INET6) return as<sockaddr_in6>(address).sin6_addr;
  in6_addr bytes{};
  bytes.s6_addr[10] = bytes.s6_addr[11] = 0xFF;
  const in_addr v4 = as<sockaddr_in>(address).sin_addr;
  std::memcpy(&bytes.s6_addr[12], &v4, sizeof v4);
  return bytes;
}

SocketAddress from(const sockaddr* address, socklen_t size) {
  SocketAddress result;
  std::memcpy(&result.storage, address, size);
  result.size = size;
  return result;
}

int native(AddressFamily family) {
  return family == AddressFamily::kIpv4 ? AF_INET : family == AddressFamily::kIpv6 ? AF_INET6 : AF_UNSPEC;
}

// getaddrinfo takes any number, with a sign or spaces before it, and keeps its low 16 bits.
void check_port(const std::string& port, Purpose purpose) {
  const bool digits =
      !port.empty() && std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; });
  unsigned number = 0;
  const auto parsed = std::from_chars(port.data(), port.data() + port.size(), number);
  const bool fits = parsed.ec == std::errc() && number <= 65535 && (number > 0 || purpose == Purpose::kBind);
  const bool service = !port.empty() && std::isalnum(static_cast<unsigned char>(port.front())) != 0;
  if (digits ? !fits : !service) {
    throw Error(Status::kUsage, fmt::format("port '{}'", printable(port)), "not a port",
                "a port is a number from 1 to 65535 or the name of a service");
  }
}

// An address in digits, of whatever family.
bool is_literal(const std::string& host) {
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), nullptr, &hints, &found) != 0) return false;
  ::freeaddrinfo(found);
  return true;
}

// For a HOST that is none, as other tools would have taken it.
std::string hint_for(const std::string& host) {
  if (host.find('@') != std::string::npos) return "HOST is a name or an address, without a user";
  const auto colon = host.find(':');
  const bool port = colon != std::string::npos && colon + 1 < host.size() &&
                    host.find_first_not_of("0123456789", colon + 1) == std::string::npos;
  return port ? "HOST and PORT are two words: " + printable(host.substr(0, colon)) + " " +
                    printable(host.substr(colon + 1))
              : "";
}

[[noreturn]] void throw_unresolved(int result, int error, const PeerAddress& peer, AddressFamily family) {
  const std::string host = printable(peer.host);
  if (result == EAI_SERVICE) {
    throw Error(Status::kUsage, "PORT", "neither a number nor a service that is known",
                "a port is a number from 1 to 65535 or the name of a service");
  }
  const std::string attempt = fmt::format("look up '{}'", host);
  if (result == EAI_SYSTEM) throw_errno(error, Status::kNetwork, attempt);
  if (family != AddressFamily::kAny && is_literal(peer.host)) {
    const bool v4 = family == AddressFamily::kIpv4;
    throw Error(Status::kEndpoint, fmt::format("address '{}'", host),
                fmt::format("it is not an IPv{} address", v4 ? 4 : 6),
                v4 ? "-4 uses IPv4 only" : "-6 uses IPv6 only");
  }
  const bool may_pass = result == EAI_AGAIN || result == EAI_MEMORY;
  throw Error(may_pass ? Status::kNetwork : Status::kEndpoint, attempt, ::gai_strerror(result),
              hint_for(peer.host));
}

}  // namespace

std::uint16_t SocketAddress::port() const noexcept {
  return ntohs(family() == AF_INET6 ? as<sockaddr_in6>(*this).sin6_port : as<sockaddr_in>(*this).sin_port);
}

void SocketAddress::set_port(std::uint16_t port) noexcept {
  const std::uint16_t wire = htons(port);
  static_assert(offsetof(sockaddr_in, sin_port) == offsetof(sockaddr_in6, sin6_port));
  std::memcpy(reinterpret_cast<char*>(&storage) + offsetof(sockaddr_in, sin_port), &wire, sizeof wire);
}

bool SocketAddress::is_loopback() const noexcept {
  const in6_addr bytes = mapped(*this);
  if (IN6_IS_ADDR_V4MAPPED(&bytes)) return bytes.s6_addr[12] == 127;
  return IN6_IS_ADDR_LOOPBACK(&bytes);
}

bool SocketAddress::same_address(const SocketAddress& other) const noexcept {
  const in6_addr mine = mapped(*this), theirs = mapped(other);
  return std::memcmp(&mine, &theirs, sizeof mine) == 0;
}

std::string SocketAddress::text() const {
  const in6_addr bytes = mapped(*this);
  if (IN6_IS_ADDR_V4MAPPED(&bytes)) {
    const auto* b = &bytes.s6_addr[12];
    return fmt::format("{}.{}.{}.{}:{}", b[0], b[1], b[2], b[3], port());
  }
  char host[NI_MAXHOST];
  const int result = ::getnameinfo(get(), size, host, sizeof host, nullptr, 0, NI_NUMERICHOST);
  return result == 0 ? fmt::format("[{}]:{}", host, port()) : std::string("an unknown address");
}

SocketAddress local_address(int socket) {
  SocketAddress address;
  address.size = sizeof address.storage;
  check(::getsockname(socket, address.get(), &address.size), Status::kNetwork, "ask for the local address");
  return address;
}

SocketAddress peer_address(int socket) {
  SocketAddress address;
  address.size = sizeof address.storage;
  check(::getpeername(socket, address.get(), &address.size), Status::kNetwork, "ask for the peer's address");
  return address;
}

std::string endpoint_text(const PeerAddress& peer) {
  const bool literal = peer.host.find(':') != std::string::npos;
  return fmt::format(fmt::runtime(literal ? "[{}]:{}" : "{}:{}"), printable(peer.host), printable(peer.port));
}

std::vector<SocketAddress> resolve(const PeerAddress& peer, AddressFamily family, Purpose purpose) {
  check_port(peer.port, purpose);
  addrinfo hints{};
  hints.ai_family = native(family);
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = purpose == Purpose::kBind ? AI_PASSIVE : 0;
  addrinfo* found = nullptr;
  const char* host = peer.host.empty() ? nullptr : peer.host.c_str();
  const int result = ::getaddrinfo(host, peer.port.c_str(), &hints, &found);
  if (result != 0) throw_unresolved(result, errno, peer, family);
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
  std::vector<SocketAddress> addresses;
  for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
    addresses.push_back(from(entry->ai_addr, entry->ai_addrlen));
  }
  return addresses;
}

std::string interface_of(const SocketAddress& address) {
  ifaddrs* found = nullptr;
  if (::getifaddrs(&found) != 0) return {};
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner(found, &::freeifaddrs);
  for (const ifaddrs* entry = found; entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr) continue;
    const int family = entry->ifa_addr->sa_family;
    if (family != AF_INET && family != AF_INET6) continue;
    const auto size = static_cast<socklen_t>(family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6));
    if (from(entry->ifa_addr, size).same_address(address)) return entry->ifa_name;
  }
  return {};
}

}  // namespace rdpipe
