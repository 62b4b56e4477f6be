#include "transport/rdma_endpoint.h"

#include <netinet/in.h>
#include <sys/mman.h>

#include <atomic>
#include <cstring>
#include <utility>

#include "ground/error.h"
#include "ground/units.h"
#include "wire/integers.h"

namespace rdpipe {
namespace {

// More would only be memory: 128 slots of 256 KiB are 32 MiB under way.
constexpr QueueDepths kDepths{.sends = 128, .receives = 128};
constexpr std::size_t kControlMemory = (kSmallReceives + kControlSends) * kControlSlotSize;

struct Greeting {
  be32 magic;
  be16 version;
  be16 small_receives;
  be32 scratch_key;
  be32 zero;
  be64 scratch_address;
};
static_assert(sizeof(Greeting) == 24);

constexpr std::uint32_t kGreetingMagic = 0x52445056;  // "RDPV"
constexpr std::uint16_t kGreetingVersion = 1;

// Eight times the acknowledgement's time, a little more than half of what a dead host may take to be noticed;
// the link's own timer catches devices that wait longer than they are told.
Nanoseconds ack_timeout(Nanoseconds keep_alive) { return keep_alive * 3 / 40; }

}  // namespace

std::vector<std::byte> encode_greeting(ScratchByte scratch) {
  Greeting greeting;
  greeting.magic = kGreetingMagic;
  greeting.version = kGreetingVersion;
  greeting.small_receives = static_cast<std::uint16_t>(kSmallReceives);
  greeting.scratch_key = scratch.key;
  greeting.scratch_address = scratch.address;
  std::vector<std::byte> out(sizeof greeting);
  std::memcpy(out.data(), &greeting, sizeof greeting);
  return out;
}

std::optional<ScratchByte> decode_greeting(std::span<const std::byte> private_data) {
  Greeting greeting;
  if (private_data.size() < sizeof greeting) return {};
  std::memcpy(&greeting, private_data.data(), sizeof greeting);
  if (greeting.magic != kGreetingMagic || greeting.version != kGreetingVersion) return {};
  if (greeting.small_receives != kSmallReceives) return {};
  return ScratchByte{.address = greeting.scratch_address, .key = greeting.scratch_key};
}

PageMemory::PageMemory(std::size_t bytes) {
  const std::size_t size = round_up(bytes, kPageSize);
  const std::string attempt = "reserve " + format_size(size);
  void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  check(memory == MAP_FAILED ? -1 : 0, Status::kMemory, attempt);
  bytes_ = {static_cast<std::byte*>(memory), size};
}

PageMemory::~PageMemory() { ::munmap(bytes_.data(), bytes_.size()); }

RdmaEndpoint::RdmaEndpoint(std::unique_ptr<EventChannel> channel, ConnectionId id, Nanoseconds keep_alive)
    : channel_(std::move(channel)),
      id_(std::move(id)),
      domain_(id_.device()),
      depths_(allowed_depths(id_.device(), kDepths)),
      completions_(id_.device(), depths_.sends + depths_.receives),
      control_memory_(kControlMemory),
      scratch_memory_(1),
      control_region_(domain_, control_memory_.bytes(), Access::kLocal),
      scratch_region_(domain_, scratch_memory_.bytes(), Access::kRemoteWrite) {
  id_.set_ack_timeout(ack_timeout(keep_alive));
  queue_.emplace(id_, domain_, completions_, depths_);
  for (std::size_t i = 0; i < kSmallReceives; ++i) post_small_receive(i);
}

RdmaEndpoint::~RdmaEndpoint() { shut_down(); }

std::vector<std::byte> RdmaEndpoint::greeting() const {
  return encode_greeting({.address = reinterpret_cast<std::uintptr_t>(scratch_memory_.bytes().data()),
                          .key = scratch_region_.remote_key()});
}

Segment RdmaEndpoint::small_receive(std::size_t index) const {
  return {.address = control_memory_.bytes().data() + index * kControlSlotSize,
          .length = kControlSlotSize,
          .key = control_region_.local_key()};
}

Segment RdmaEndpoint::control_send(std::size_t index) const { return small_receive(kSmallReceives + index); }

void RdmaEndpoint::post_small_receive(std::size_t index) {
  const Segment segment = small_receive(index);
  queue_->post_receive(kReceiveRequest, {&segment, 1});
}

// The byte is sent from the page's end and lands at the peer's beginning.
void RdmaEndpoint::post_ping(std::uint64_t request) {
  std::byte& count = scratch_memory_.bytes().back();
  count = std::byte{++pings_};
  const Segment byte{.address = &count, .length = 1, .key = scratch_region_.local_key()};
  queue_->post_write(request, byte, peer_scratch_.address, peer_scratch_.key);
}

// The device writes it at any time.
std::uint8_t RdmaEndpoint::peer_pings() const noexcept {
  return std::to_integer<std::uint8_t>(
      std::atomic_ref(scratch_memory_.bytes().front()).load(std::memory_order_relaxed));
}

void RdmaEndpoint::shut_down() noexcept {
  if (!queue_) return;
  id_.disconnect();
  queue_.reset();
}

SocketAddress socket_address(const sockaddr* from) {
  SocketAddress out;
  out.size = from->sa_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
  std::memcpy(&out.storage, from, out.size);
  return out;
}

}  // namespace rdpipe
