#include "rdpipe/next_link.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "ground/error.h"
#include "ground/units.h"
#include "rdpipe/fabric_options.h"
#include "stream/forward_sink.h"
#include "transport/fabric.h"

namespace rdpipe {
namespace {

// Device, GID and address are of the link that comes in; the route says what leads on.
FabricOptions onward_options(const Options& options) {
  FabricOptions fabric = fabric_options(options);
  fabric.device.clear();
  fabric.gid_index = -1;
  fabric.address.clear();
  return fabric;
}

}  // namespace

NextReceiver::NextReceiver(const std::string& host, const std::string& port, std::string_view key)
    : host_(host), port_(port), key_(std::make_shared<const Key>(Secret(key))) {
  if (host.empty()) throw Error(Status::kUsage, "forward", "the next host is missing");
}

NextLink::NextLink(Loop& loop, NextReceiver next, const Options& options) : loop_(loop), options_(options) {
  options_.notice = [notice = notice_of(options), host = next.host_](const std::string& text) {
    notice(fmt::format("on to {}: {}", host, text));
  };
  const auto key = std::move(next.key_);
  const Deadline deadline = Deadline::in(options.connect_timeout);
  auto link =
      connect(loop, peer_address(next.host_, next.port_), onward_options(options), deadline, options_.notice);
  session_ = authenticate(loop, std::move(link), *key, deadline);
}

void NextLink::agree(const Offer& offer, Session& sender) {
  const RingShape shape = stream_ring_shape(options_, fabric(), false);
  Offer mine;
  mine.role = Role::kSends;
  mine.slot_size = static_cast<std::uint32_t>(std::min<std::size_t>(shape.slot_size, offer.slot_size));
  mine.digest = options_.checksum ? Choice::kAuto : Choice::kNo;
  mine.seal = seal_choice(options_);
  mine.size = offer.size;
  mine.compressions = methods_of(options_.compression.use);
  const Terms& terms = session_->exchange(loop_, mine, Deadline::in(options_.connect_timeout),
                                          {.limit = preparing_limit(options_), .from = &sender});
  if (mine.compressions != 0 && terms.compressions == 0) {
    options_.notice(fmt::format("not compressed: {} cannot undo it", terms.peer_host));
  }
  // A buffer's memory is pinned nowhere, and may be gone before the link is.
  const bool alters = terms.sealed || terms.compressions != 0;
  buffers_ = !alters && options_.buffer_size > 0;
  copies_ = alters || buffers_;
  ring_ = attach_ring(session_->link(), carrier_shape(ring_shape(sender.link().info().fabric), copies_),
                      options_.notice);
}

RingShape carrier_shape(RingShape incoming, bool copies) {
  constexpr std::size_t kMostOnTheirWay = 256;  // a queue pair has fewer
  if (copies) return {incoming.slot_size, incoming.slots + 1};
  return {kPageSize, std::min(incoming.slots, kMostOnTheirWay) + 1};
}

RingShape NextLink::ring_shape(Fabric from) const {
  constexpr std::size_t kMostSlots = 65535;  // one less than a ring may have
  const RingShape usual = stream_ring_shape(options_, from, true);
  std::size_t slot_size = std::min(usual.slot_size, session_->terms().slot_size);
  std::size_t bytes = usual.payload_bytes();
  const bool is_pinned_twice = from == Fabric::kRdma && fabric() == Fabric::kRdma;  // and counts twice
  if (is_pinned_twice && options_.ring_size == 0 && options_.slot_size == 0) {
    slot_size = std::min(slot_size, 512_KiB);
    bytes = std::min(bytes, 3_MiB);
  }
  if (copies_ && ring_) slot_size = std::min(slot_size, ring_->shape().slot_size);
  return {slot_size, std::clamp<std::size_t>(bytes / slot_size, 2, kMostSlots)};
}

void NextLink::add_to(std::vector<Link*>& links) const {
  if (!copies_) links.push_back(&session_->link());
}

std::shared_ptr<Sink> NextLink::sink(std::shared_ptr<Sink> own, const Terms& terms) {
  const ForwardOptions forward{
      .copies = buffers_, .knows_root = terms.digest, .compression = options_.compression};
  return std::make_shared<ForwardSink>(std::move(own), *session_, *ring_, forward);
}

void NextLink::dismiss(const Error& error, const Session& sender) noexcept {
  try {
    session_->dismiss(error, &sender);
  } catch (...) {  // NOLINT(bugprone-empty-catch): the first failure is the one to report
  }
}

void NextLink::finish(Nanoseconds limit) noexcept {
  try {
    static_cast<void>(session_->finish(loop_, limit));
  } catch (...) {  // NOLINT(bugprone-empty-catch): what was to be said is said
  }
}

}  // namespace rdpipe
