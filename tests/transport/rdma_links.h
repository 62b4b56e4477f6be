// Links over a real RDMA device for tests: the device, two ends of one link, and what moves data between
// them.
#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ground/error.h"
#include "io/loop.h"
#include "transport/dial.h"
#include "transport/rdma_endpoint.h"
#include "verbs/device.h"

namespace rdpipe {

inline std::string device() {
  const auto names = rdma_device_names();
  if (names.empty()) throw Error(Status::kEndpoint, "look for an RDMA device", "this host has none");
  return names.front();
}

// The device's own address.
inline std::string host(int family = AF_INET) {
  for (const GidAddress& gid : gid_addresses(device())) {
    if (gid.link_local || gid.address.ss_family != family) continue;
    std::string text = socket_address(reinterpret_cast<const sockaddr*>(&gid.address)).text();
    text.erase(text.rfind(':'));
    if (text.front() == '[') text = text.substr(1, text.size() - 2);
    return text;
  }
  throw Error(Status::kEndpoint, "look for the RDMA device's address", "it has none of this family");
}

inline FabricOptions options_with(Nanoseconds keep_alive) {
  FabricOptions options;
  options.keep_alive = keep_alive;
  return options;
}

// Sleeps and calls `done` until it says true; fails after `limit`.
inline void await(Loop& loop, const std::function<bool()>& done,
                  Nanoseconds limit = std::chrono::seconds(60)) {
  const Deadline deadline = Deadline::in(limit);
  while (!done()) {
    if (deadline.passed()) throw Error(Status::kTimeout, "wait for the test", "nothing happens");
    loop.wait(deadline);
  }
}

struct Both {
  std::unique_ptr<Acceptor> acceptor;
  std::unique_ptr<Link> a, b;  // dialled, accepted
};

inline Both connect_both(Loop& loop, const std::string& to, const FabricOptions& options = {}) {
  Both both;
  both.acceptor = listen_rdma(loop, "0", options);
  const auto dial = dial_rdma(loop, {to, std::to_string(both.acceptor->port())}, options);
  await(loop, [&] {
    if (!both.a) both.a = dial->poll();
    if (!both.b) both.b = both.acceptor->poll();
    return both.a && both.b;
  });
  return both;
}

inline std::byte pattern(std::uint64_t offset) {
  return static_cast<std::byte>((offset * 2654435761U) >> 13 ^ offset >> 21);
}

struct Sender {
  Link& link;
  Ring& ring;
  std::uint64_t left = 0, offset = 0, sequence = 0;
  bool fill = true, holes = false;

  void step() {
    while (left > 0 && link.send_credits() > 0) {
      auto slot = ring.acquire();
      if (!slot) return;
      const bool hole = holes && sequence % 3 == 1;
      const std::size_t size = std::min<std::uint64_t>(left, slot->payload().size());
      slot->resize(hole ? 0 : size);
      const auto bytes = slot->filled();
      for (std::size_t i = 0; fill && i < bytes.size(); i += 97) bytes[i] = pattern(offset + i);
      encode(FrameHeader{.kind = hole ? FrameKind::kHole : FrameKind::kData,
                         .sequence = sequence++,
                         .offset = offset,
                         .length = size},
             slot->header());
      offset += size;
      left -= size;
      link.post_send(std::move(*slot));
    }
  }
};

struct Receiver {
  Link& link;
  bool check = true;
  std::uint64_t offset = 0, sequence = 0;
  std::size_t wrong = 0;

  void start(Ring& ring) {
    while (auto slot = ring.acquire()) link.post_receive(std::move(*slot));
  }
  void take(Received got) {
    if (got.header.offset != offset || got.header.sequence != sequence++) ++wrong;
    const bool hole = got.header.kind == FrameKind::kHole;
    if (got.slot.size() != (hole ? 0 : got.header.length)) ++wrong;
    const auto bytes = got.slot.filled();
    for (std::size_t i = 0; check && i < bytes.size(); i += 97) wrong += bytes[i] != pattern(offset + i);
    offset += got.header.length;
    link.post_receive(std::move(got.slot));
  }
};

struct Seen {
  std::vector<std::string> control;
  bool closed = false;
};

// Takes all there is of a link. Without Catch's assertions, which are for one thread only.
inline void drain(Link& link, Seen& seen, Receiver* receiver = nullptr) {
  while (auto event = link.poll()) {
    if (auto* received = std::get_if<Received>(&*event)) {
      if (receiver == nullptr) throw Error(Status::kDamaged, "take events", "data that nobody asked for");
      receiver->take(std::move(*received));
    } else if (auto* control = std::get_if<Control>(&*event)) {
      seen.control.emplace_back(reinterpret_cast<const char*>(control->bytes.data()), control->bytes.size());
    } else if (std::holds_alternative<PeerClosed>(*event)) {
      seen.closed = true;
    }
  }
}

inline void say(Link& link, const std::string& text) {
  link.post_control(std::as_bytes(std::span(text.data(), text.size())));
}

}  // namespace rdpipe
