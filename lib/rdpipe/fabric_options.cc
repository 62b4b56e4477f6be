#include "rdpipe/fabric_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <thread>

#include "ground/error.h"
#include "ground/units.h"
#include "rdpipe/flow.h"
#include "seal/digest.h"
#include "stream/duplex.h"

namespace rdpipe {
namespace {

constexpr unsigned kMostCompressors = 8;  // at once: each has memory of its own
constexpr std::size_t kMaxSlots = 65536;  // of a RingShape

// What a ring is where nobody says. Over RDMA it has few and large slots: each frame costs a message, its
// completions and wake-ups at both ends, which the device does not make up for (in a guest with soft-RoCE
// five slots of 1 MiB moved a fifth more than sixteen of 256 KiB). Over TCP slots that stay in the
// processors' caches.
constexpr RingShape usual_shape(Fabric fabric) {
  return fabric == Fabric::kRdma ? RingShape{1_MiB, 5} : RingShape{256_KiB, 16};
}
// Many small messages take a slot each, and two rings with all else must fit into what most users may pin.
constexpr RingShape kUsualDuplexShape{128_KiB, 16};
constexpr std::size_t kUsualSlots = 4;  // at least, where one of the two sizes is given

// Where a rate is limited, a slot is what goes in 12.5 ms of it, so that nothing comes in bursts.
constexpr std::uint64_t kSlotsPerSecond = 80;
constexpr std::size_t kMostPacedSlots = 64;
constexpr std::size_t kLeastGranted = 4;
constexpr std::uint64_t kGrantsPerSecond = 20;  // 50 ms

// The lowest of those that are not 0, or 0.
std::uint64_t lowest_rate(std::initializer_list<std::uint64_t> rates) {
  std::uint64_t lowest = 0;
  for (const std::uint64_t rate : rates) {
    if (rate > 0 && (lowest == 0 || rate < lowest)) lowest = rate;
  }
  return lowest;
}

// A shape of small slots, and as much memory as usual, but for a receiver that limits what the network
// brings: what it grants at once can come at once.
RingShape paced_shape(RingShape usual, std::uint64_t rate, bool grants_at_rate) {
  if (rate == 0) return usual;
  const std::uint64_t pages = std::max<std::uint64_t>(1, rate / kSlotsPerSecond / kPageSize);
  const std::size_t slot = std::min<std::uint64_t>(pages, usual.slot_size / kPageSize) * kPageSize;
  const std::size_t slots = std::clamp(usual.payload_bytes() / slot, usual.slots, kMostPacedSlots);
  if (!grants_at_rate) return {slot, slots};
  return {slot, std::clamp<std::size_t>(rate / kGrantsPerSecond / slot, kLeastGranted, slots)};
}

std::size_t slot_size(const Options& options, RingShape usual) {
  if (options.slot_size > 0) return options.slot_size;
  if (options.ring_size == 0) return usual.slot_size;
  return std::clamp(options.ring_size / kUsualSlots / kPageSize * kPageSize, kPageSize, usual.slot_size);
}

RingShape checked_shape(const Options& options, RingShape usual_shape, std::size_t least_slots) {
  const std::size_t slot = slot_size(options, usual_shape);
  if (slot < kPageSize || slot > kMaxDataPayload || slot % kPageSize != 0) {
    throw Error(Status::kUsage, "slot size " + std::to_string(slot),
                "not a multiple of 4 KiB from 4 KiB to 4 MiB");
  }
  const std::size_t largest = std::min(1_GiB, kMaxSlots * slot);
  const std::size_t usual = std::max(usual_shape.payload_bytes(), kUsualSlots * slot);
  const std::size_t ring = options.ring_size > 0 ? options.ring_size : usual;
  if (ring < least_slots * slot || ring > largest) {
    const char* const least = least_slots == 2 ? "two" : "four";
    throw Error(
        Status::kUsage, "ring of " + format_size(ring),
        fmt::format("not between {} slots of {} and {}", least, format_size(slot), format_size(largest)),
        "--slot sets the size of a slot");
  }
  return {slot, ring / slot};
}

}  // namespace

RingShape ring_shape(const Options& options, Fabric fabric) {
  return checked_shape(options, usual_shape(fabric), 2);
}

RingShape stream_ring_shape(const Options& options, Fabric fabric, bool receives) {
  const std::uint64_t network = lowest_rate({options.rate_limit, receives ? options.read_rate : 0});
  const std::uint64_t rate = lowest_rate({network, options.read_rate, options.write_rate});
  return checked_shape(options, paced_shape(usual_shape(fabric), rate, receives && network > 0), 2);
}

RingShape duplex_ring_shape(const Options& options) {
  static_assert(Duplex::kLeastSlots == 4);
  return checked_shape(options, kUsualDuplexShape, Duplex::kLeastSlots);
}

void require_valid(const Options& options) {
  for (const Fabric fabric : {Fabric::kRdma, Fabric::kTcp}) static_cast<void>(ring_shape(options, fabric));
  if (options.keep_alive < std::chrono::seconds(1) || options.keep_alive > std::chrono::hours(1)) {
    throw Error(Status::kUsage, "keep-alive", "not between 1 s and 1 h");
  }
  if (!options.hash.empty()) NamedDigest{options.hash};
  if (options.compression.zstd_level < 1 || options.compression.zstd_level > kMostZstdLevel) {
    throw Error(Status::kUsage, "zstd", fmt::format("its levels are 1 to {}", kMostZstdLevel));
  }
  require_valid_flow(options);
}

FabricOptions fabric_options(const Options& options) {
  FabricOptions out;
  out.choice = options.fabric == FabricUse::kRdma  ? FabricChoice::kRdma
               : options.fabric == FabricUse::kTcp ? FabricChoice::kTcp
                                                   : FabricChoice::kAuto;
  out.family = options.ip == IpVersion::k4   ? AddressFamily::kIpv4
               : options.ip == IpVersion::k6 ? AddressFamily::kIpv6
                                             : AddressFamily::kAny;
  out.device = options.device;
  out.gid_index = options.gid_index;
  out.address = options.address;
  out.keep_alive = options.keep_alive;
  return out;
}

// To compress takes the processors that there are; for the rest two threads are enough.
LoopOptions loop_options(const Options& options) {
  LoopOptions loop{.use_uring = options.use_uring};
  if (options.compression.use != CompressionUse::kOff) {
    loop.workers = std::clamp(std::thread::hardware_concurrency(), loop.workers, kMostCompressors);
  }
  return loop;
}

void hear_interrupts(Loop& loop, const Options& options) {
  if (options.interrupt_fd >= 0) loop.interrupt_on(options.interrupt_fd, options.on_interrupt);
}

std::shared_ptr<Loop> make_loop(const Options& options) {
  auto loop = std::make_shared<Loop>(loop_options(options));
  hear_interrupts(*loop, options);
  return loop;
}

StreamOptions stream_options(const Options& options) {
  StreamOptions stream{options.timeout, options.hash, options.compression, options.progress};
  if (!options.progress || !options.expected_size) return stream;
  stream.progress = [tell = options.progress, size = options.expected_size](StreamProgress progress) {
    if (!progress.total) progress.total = size;
    tell(progress);
  };
  return stream;
}

Choice seal_choice(const Options& options) {
  return options.encrypt == Switch::kOn    ? Choice::kYes
         : options.encrypt == Switch::kOff ? Choice::kNo
                                           : Choice::kAuto;
}

std::chrono::nanoseconds preparing_limit(const Options& options) {
  if (options.timeout.count() == 0) return options.timeout;
  return std::max(options.timeout, options.connect_timeout);
}

std::function<void(const std::string&)> notice_of(const Options& options) {
  if (options.notice) return options.notice;
  return [](const std::string&) {};
}

PeerAddress peer_address(const std::string& host, const std::string& port) {
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  return {bracketed ? host.substr(1, host.size() - 2) : host, port};
}

}  // namespace rdpipe
