#include "verbs/address_handle.h"

#include <infiniband/verbs.h>

#include <algorithm>
#include <cstring>

#include "verbs/queue.h"

namespace rdpipe {
namespace {

constexpr std::uint8_t kHopLimit = 64;

unsigned version_in(std::byte first) { return std::to_integer<unsigned>(first) >> 4; }

Gid mapped(std::span<const std::byte> ipv4) {
  Gid gid{};
  gid[10] = gid[11] = std::byte{0xFF};
  std::copy_n(ipv4.begin(), 4, gid.begin() + 12);
  return gid;
}

}  // namespace

std::optional<AddressHandle> AddressHandle::make(const ProtectionDomain& domain, std::uint8_t port,
                                                 const DatagramPath& path) {
  ibv_ah_attr wanted{};
  wanted.port_num = port;
  wanted.dlid = path.lid;
  wanted.sl = path.service_level;
  wanted.is_global = path.global ? 1 : 0;
  if (path.global) {
    std::memcpy(wanted.grh.dgid.raw, path.gid.data(), path.gid.size());
    wanted.grh.sgid_index = path.source_index;
    wanted.grh.hop_limit = kHopLimit;
  }
  ibv_ah* handle = ::ibv_create_ah(domain.get(), &wanted);
  if (handle == nullptr) return {};
  return AddressHandle(handle);
}

AddressHandle::~AddressHandle() {
  if (handle_ != nullptr) ::ibv_destroy_ah(handle_);
}

// What stands in front of IPv4 is undefined, but the kernel and the devices write nothing there that begins
// with a 6.
std::optional<GlobalHeader> read_global_header(std::span<const std::byte, kGlobalHeader> bytes) {
  constexpr std::size_t kIpv4At = 20;
  constexpr auto kIpv4Plain = std::byte{0x45};
  GlobalHeader out;
  const std::byte ipv4 = bytes[kIpv4At];
  if (version_in(bytes[0]) == 6) {
    std::copy_n(bytes.begin() + 8, out.source.size(), out.source.begin());
    std::copy_n(bytes.begin() + 24, out.destination.size(), out.destination.begin());
    return out;
  }
  if (ipv4 != kIpv4Plain) return {};
  out.source = mapped(bytes.subspan(kIpv4At + 12, 4));
  out.destination = mapped(bytes.subspan(kIpv4At + 16, 4));
  return out;
}

void clear_global_header(std::span<std::byte, kGlobalHeader> bytes) noexcept { bytes[0] = std::byte{0}; }

}  // namespace rdpipe
