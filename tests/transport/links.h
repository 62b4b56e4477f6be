// Two links joined, of either kind, on one loop, and what tests do with them.
#pragma once

#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "catch.h"
#include "ground/error.h"
#include "io/loop.h"
#include "transport/dial.h"
#include "transport/loopback.h"

namespace rdpipe {

constexpr auto kTestLimit = std::chrono::seconds(20);

enum class Kind { kTcp, kLoopback };

// One end of a connection with a ring of its own.
struct End {
  explicit End(RingShape shape) : ring(shape) {}
  Ring ring;
  std::unique_ptr<Link> link;

  void post_receives(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) link->post_receive(*ring.acquire());
  }
  void send(std::uint64_t sequence, const std::string& text) {
    Slot slot = *ring.acquire();
    std::memcpy(slot.payload().data(), text.data(), text.size());
    slot.resize(text.size());
    encode({.kind = text.empty() ? FrameKind::kHole : FrameKind::kData,
            .sequence = sequence,
            .length = text.empty() ? 4096 : text.size()},
           slot.header());
    link->post_send(std::move(slot));
  }
  void control(const std::string& text) { link->post_control(std::as_bytes(std::span(text))); }
};

inline std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline std::unique_ptr<Link> await(Loop& loop, Dial& dial) {
  const auto limit = Deadline::in(kTestLimit);
  for (;;) {
    if (auto link = dial.poll()) return link;
    REQUIRE(!limit.passed());
    loop.wait(limit);
  }
}

inline std::unique_ptr<Link> await(Loop& loop, Acceptor& acceptor) {
  const auto limit = Deadline::in(kTestLimit);
  for (;;) {
    if (auto link = acceptor.poll()) return link;
    REQUIRE(!limit.passed());
    loop.wait(limit);
  }
}

struct Pair {
  explicit Pair(Kind kind, RingShape shape = {4_KiB, 8}) : a(shape), b(shape) {
    if (kind == Kind::kLoopback) {
      auto [first, second] = make_loopback(loop);
      a.link = std::move(first);
      b.link = std::move(second);
      return;
    }
    const auto acceptor = listen_tcp(loop, "0", {});
    const auto dial = dial_tcp(loop, {"localhost", std::to_string(acceptor->port())}, {});
    a.link = await(loop, *dial);
    b.link = await(loop, *acceptor);
  }

  // The next event of `end`; those of the other end wait in its queue.
  LinkEvent next(End& end) {
    const auto limit = Deadline::in(kTestLimit);
    for (;;) {
      collect();
      auto& queue = &end == &a ? from_a : from_b;
      if (!queue.empty()) {
        LinkEvent event = std::move(queue.front());
        queue.pop_front();
        return event;
      }
      REQUIRE(!limit.passed());
      loop.wait(limit);
    }
  }
  template <typename T>
  T next_of(End& end) {
    for (;;) {
      LinkEvent event = next(end);
      if (auto* wanted = std::get_if<T>(&event)) return std::move(*wanted);
      REQUIRE(std::holds_alternative<Sent>(event));  // the only event a test may pass over
    }
  }
  void collect() {
    while (auto event = a.link->poll()) from_a.push_back(std::move(*event));
    while (auto event = b.link->poll()) from_b.push_back(std::move(*event));
  }
  void await_credits(End& end, std::size_t count) {
    const auto limit = Deadline::in(kTestLimit);
    for (collect(); end.link->send_credits() < count; collect()) {
      REQUIRE(!limit.passed());
      loop.wait(limit);
    }
  }

  Loop loop;
  End a, b;
  std::deque<LinkEvent> from_a, from_b;  // events, before links: slots go home first
};

}  // namespace rdpipe
