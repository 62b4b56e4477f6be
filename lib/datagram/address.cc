#include "datagram/address.h"

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

}  // namespace rdpipe
