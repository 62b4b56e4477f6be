// Whom a datagram is for or from, and where an endpoint is found: plain values, any thread.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>

#include "verbs/address_handle.h"

namespace rdpipe {

struct DatagramAddress {
  DatagramPath path;
  std::uint32_t queue_pair = 0;
  std::uint32_t key = 0;  // which the device there asks for: another process's queue pair has another one
  bool operator==(const DatagramAddress&) const = default;
};

struct HashOfPath {
  std::size_t operator()(const DatagramPath& path) const noexcept;
};

}  // namespace rdpipe
