// The links of tests of a duplex without a device, and what wraps one of them.
#pragma once

#include "stream/duplex_ends.h"
#include "stream/wrapped_link.h"
#include "transport/dial.h"
#include "transport/loopback.h"

namespace rdpipe {

inline LinkMaker loopback(const FaultScript& script = {}) {
  return [script](Loop& a, Loop& b) -> Links { return make_loopback(a, b, script); };
}

inline LinkMaker tcp() {
  return [](Loop& a, Loop& b) -> Links {
    const auto acceptor = listen_tcp(b, "0", {});
    const auto dial = dial_tcp(a, {"localhost", std::to_string(acceptor->port())}, {});
    return meet(a, *dial, b, *acceptor);
  };
}

// The first of two ends wrapped.
template <typename Wrapped>
LinkMaker wrapped(const LinkMaker& links, Wrapped*& link) {
  return [links, &link](Loop& a, Loop& b) -> Links {
    auto [first, second] = links(a, b);
    auto wrapped = std::make_unique<Wrapped>(std::move(first));
    link = wrapped.get();
    return {std::move(wrapped), std::move(second)};
  };
}
template <typename Wrapped>
LinkMaker wrapped_loopback(Wrapped*& link) {
  return wrapped(loopback(), link);
}

}  // namespace rdpipe
