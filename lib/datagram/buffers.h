// An endpoint's registered memory: a buffer for each receive and each send. A datagram is received with 40
// bytes in front of it (the global header), placed so that the payload begins at a multiple of 64.
#pragma once

#include <cstddef>
#include <span>

#include "datagram/huge_memory.h"
#include "verbs/address_handle.h"
#include "verbs/queue.h"

namespace rdpipe {

struct BufferShape {
  std::size_t receives = 0, sends = 0;
  std::size_t payload = 0;  // bytes of each
};

class DatagramBuffers {
 public:
  // Fewer buffers than asked for where the limit on locked memory allows no more. Throws Error{kMemory}.
  [[nodiscard]] static DatagramBuffers make(const ProtectionDomain& domain, BufferShape shape);

  [[nodiscard]] const BufferShape& shape() const noexcept { return shape_; }
  [[nodiscard]] Segment receive(std::size_t index) const;  // with the header's room
  [[nodiscard]] std::span<std::byte> received(std::size_t index, std::size_t length) const;
  [[nodiscard]] std::span<const std::byte, kGlobalHeader> header(std::size_t index) const;
  void clear_header(std::size_t index) const;  // before it is posted
  [[nodiscard]] Segment send(std::size_t index) const;

 private:
  DatagramBuffers(const ProtectionDomain& domain, BufferShape shape);
  [[nodiscard]] std::byte* payload(std::size_t index) const;

  BufferShape shape_;
  std::size_t stride_;
  HugeMemory memory_;
  MemoryRegion region_;
};

}  // namespace rdpipe
