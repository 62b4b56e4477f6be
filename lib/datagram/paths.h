// The address handles that an endpoint has: made on first use, kept up to a bound, and let go only when no
// send that names them is under way. Sends are known by their numbers, which grow. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>

#include "datagram/address.h"
#include "datagram/lru.h"
#include "ground/deadline.h"
#include "verbs/address_handle.h"

namespace rdpipe {

class PathCache {
 public:
  PathCache(const ProtectionDomain& domain, std::uint8_t port, std::size_t limit)
      : domain_(domain), port_(port), known_(limit) {}

  // For the send of this number; good until release() is told that it is over. Null where the path leads
  // nowhere, which is tried again a second later. May take seconds for a host that is not known yet
  // (AddressHandle::make).
  [[nodiscard]] ibv_ah* find(const DatagramPath& path, std::uint64_t send);
  // All sends below this number are over.
  void release(std::uint64_t below);

  [[nodiscard]] std::size_t size() const noexcept { return known_.size(); }

 private:
  struct Known {
    std::optional<AddressHandle> handle;
    std::uint64_t last_send = 0;
    Deadline retry = Deadline::never();  // where there is no handle
  };
  [[nodiscard]] Known make(const DatagramPath& path) const;

  const ProtectionDomain& domain_;
  std::uint8_t port_;
  LruMap<DatagramPath, Known, HashOfPath> known_;
  std::deque<Known> put_out_;  // still in use
};

}  // namespace rdpipe
