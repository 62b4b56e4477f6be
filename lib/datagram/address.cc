#include "datagram/address.h"

#include <algorithm>
#include <cstring>

namespace rdpipe {

std::size_t HashOfPath::operator()(const DatagramPath& path) const noexcept {
  std::uint64_t halves[2];
  static_assert(sizeof halves == sizeof path.gid);
  std::memcpy(halves, path.gid.data(), sizeof halves);
  constexpr std::uint64_t kOdd = 0x9E3779B97F4A7C15;
  std::uint64_t hash = halves[0] * kOdd ^ halves[1];
  hash = hash * kOdd ^
         (std::uint64_t{path.lid} << 16 | std::uint64_t{path.service_level} << 8 | path.source_index);
  hash *= kOdd;
  return static_cast<std::size_t>(hash ^ hash >> 32);
}

GidKind kind_of(const Gid& gid) {
  constexpr auto kOnes = std::byte{0xFF};
  const bool zeros =
      std::all_of(gid.begin(), gid.begin() + 10, [](std::byte b) { return b == std::byte{0}; });
  if (zeros && gid[10] == kOnes && gid[11] == kOnes) return GidKind::kIpv4;
  if (gid[0] == std::byte{0xFE} && (gid[1] & std::byte{0xC0}) == std::byte{0x80}) return GidKind::kLinkLocal;
  return GidKind::kGlobal;
}

}  // namespace rdpipe
