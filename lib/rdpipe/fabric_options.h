// What a user says about a connection, checked, and in the terms of the floors beneath.
#pragma once

#include <rdpipe/options.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "io/loop.h"
#include "ring/ring.h"
#include "stream/stream.h"
#include "transport/fabric.h"
#include "transport/link.h"
#include "wire/message.h"

namespace rdpipe {

// What is wrong with them is told before anything is tried: throws Error{kUsage}.
void require_valid(const Options& options);
[[nodiscard]] RingShape ring_shape(const Options& options, Fabric fabric);  // throws as well
// The same where rates may be limited.
[[nodiscard]] RingShape stream_ring_shape(const Options& options, Fabric fabric, bool receives);
// Of each ring of a stream in both directions: 2 MiB in slots of 128 KiB where nobody says. Throws as well.
[[nodiscard]] RingShape duplex_ring_shape(const Options& options);
[[nodiscard]] __attribute__((visibility("default"))) FabricOptions fabric_options(const Options& options);
[[nodiscard]] LoopOptions loop_options(const Options& options);  // of one connection's loop
void hear_interrupts(Loop& loop, const Options& options);
[[nodiscard]] std::shared_ptr<Loop> make_loop(const Options& options);  // that hears interrupts
// Whoever hears of progress hears of the expected size where nobody knows the real one.
[[nodiscard]] StreamOptions stream_options(const Options& options);
[[nodiscard]] Choice seal_choice(const Options& options);
// How long a sender, who waits without limit otherwise, waits for a receiver that prepares; 0: no limit.
[[nodiscard]] std::chrono::nanoseconds preparing_limit(const Options& options);
[[nodiscard]] std::function<void(const std::string&)> notice_of(const Options& options);  // never empty
[[nodiscard]] PeerAddress peer_address(const std::string& host, const std::string& port);

}  // namespace rdpipe
