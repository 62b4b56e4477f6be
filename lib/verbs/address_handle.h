// Where datagrams go: the path to a port of another device, and what a device keeps of it (an address
// handle). On InfiniBand a path is a local identifier (LID), with a global one (GID) where it leads through
// routers; on RoCE always a GID, which stands for an IP address. All but AddressHandle are plain values.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

struct ibv_ah;

namespace rdpipe {

class ProtectionDomain;

using Gid = std::array<std::byte, 16>;

struct DatagramPath {
  Gid gid{};
  std::uint16_t lid = 0;
  std::uint8_t service_level = 0;
  std::uint8_t source_index = 0;  // of this end's GID table: where it comes from
  bool global = false;            // the GID counts
  bool operator==(const DatagramPath&) const = default;
};

// The device's side of a path: needed for as long as a send that names it is under way.
class AddressHandle {
 public:
  // `port` of the device. On RoCE the kernel may have to look for the neighbour: a host that is down costs up
  // to seconds, once. Nothing where the path leads nowhere.
  [[nodiscard]] static std::optional<AddressHandle> make(const ProtectionDomain& domain, std::uint8_t port,
                                                         const DatagramPath& path);
  AddressHandle(AddressHandle&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  AddressHandle& operator=(AddressHandle&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~AddressHandle();
  [[nodiscard]] ibv_ah* get() const noexcept { return handle_; }

 private:
  explicit AddressHandle(ibv_ah* handle) noexcept : handle_(handle) {}
  ibv_ah* handle_;
};

constexpr std::size_t kGlobalHeader = 40;  // bytes in front of each datagram that is received (GRH)

struct GlobalHeader {
  Gid source{}, destination{};
};
// What stands there: InfiniBand's or IPv6's header, or 20 bytes of nothing and IPv4's. Nothing for neither.
[[nodiscard]] std::optional<GlobalHeader> read_global_header(std::span<const std::byte, kGlobalHeader> bytes);
// Before each receive: a device that leaves the 20 bytes in front of IPv4's alone would leave an earlier
// datagram's IPv6 header there.
void clear_global_header(std::span<std::byte, kGlobalHeader> bytes) noexcept;

}  // namespace rdpipe
