#include "datagram/buffers.h"

#include <algorithm>

#include "ground/error.h"
#include "ground/units.h"

namespace rdpipe {
namespace {

constexpr std::size_t kLine = 64;    // of a processor's cache, bytes
constexpr std::size_t kFewest = 32;  // buffers of a direction that are of any use

std::size_t stride_of(const BufferShape& shape) { return kLine + round_up(shape.payload, kLine); }

}  // namespace

DatagramBuffers DatagramBuffers::make(const ProtectionDomain& domain, BufferShape shape) {
  for (;;) {
    try {
      return DatagramBuffers(domain, shape);
    } catch (const Error& error) {
      if (error.status() != Status::kMemory || shape.receives / 2 < kFewest) throw;
      shape.receives /= 2;
      shape.sends = std::max(shape.sends / 2, kFewest);
    }
  }
}

DatagramBuffers::DatagramBuffers(const ProtectionDomain& domain, BufferShape shape)
    : shape_(shape),
      stride_(stride_of(shape)),
      memory_(stride_ * (shape.receives + shape.sends)),
      region_(domain, memory_.bytes(), Access::kLocal) {}

std::byte* DatagramBuffers::payload(std::size_t index) const {
  return memory_.bytes().data() + index * stride_ + kLine;
}

Segment DatagramBuffers::receive(std::size_t index) const {
  return {.address = payload(index) - kGlobalHeader,
          .length = kGlobalHeader + shape_.payload,
          .key = region_.local_key()};
}

std::span<std::byte> DatagramBuffers::received(std::size_t index, std::size_t length) const {
  return {payload(index), length > kGlobalHeader ? length - kGlobalHeader : 0};
}

std::span<const std::byte, kGlobalHeader> DatagramBuffers::header(std::size_t index) const {
  return std::span<const std::byte, kGlobalHeader>(payload(index) - kGlobalHeader, kGlobalHeader);
}

void DatagramBuffers::clear_header(std::size_t index) const {
  clear_global_header(std::span<std::byte, kGlobalHeader>(payload(index) - kGlobalHeader, kGlobalHeader));
}

Segment DatagramBuffers::send(std::size_t index) const {
  return {.address = payload(shape_.receives + index), .length = shape_.payload, .key = region_.local_key()};
}

}  // namespace rdpipe
