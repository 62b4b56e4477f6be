// Strangers that connect in memory, and sessions that have authenticated, for tests.
#pragma once

#include <deque>
#include <future>
#include <memory>
#include <string>
#include <utility>

#include "session/conversation.h"
#include "session/session.h"
#include "transport/loopback.h"

namespace rdpipe {

// Accepts what connect() connects. All links begin in one loop.
class MemoryAcceptor final : public Acceptor {
 public:
  explicit MemoryAcceptor(Loop& loop) : loop_(loop) {}

  // The stranger's end of a new connection, which comes from `peer`, where that is said.
  std::unique_ptr<LoopbackLink> connect(const std::string& peer = {}) {
    auto [near, far] = make_loopback(loop_);
    if (!peer.empty()) near->set_peer(peer);
    links_.push_back(std::move(near));
    return std::move(far);
  }
  // Connects, and runs authenticate() in a thread of its own.
  std::future<std::unique_ptr<Session>> authenticate_there(const std::string& key, Nanoseconds patience,
                                                           const std::string& peer = {}) {
    return std::async(std::launch::async, [&home = loop_, key, patience, link = connect(peer)]() mutable {
      Loop there;
      link->move_to(there);
      auto session = authenticate(there, std::move(link), Key(Secret(key)), Deadline::in(patience));
      session->link().move_to(home);
      return session;
    });
  }
  std::unique_ptr<Link> poll() override {
    if (links_.empty()) return nullptr;
    auto link = std::move(links_.front());
    links_.pop_front();
    return link;
  }
  [[nodiscard]] std::uint16_t port() const override { return 1; }
  [[nodiscard]] std::string describe() const override { return "loopback"; }

 private:
  Loop& loop_;
  std::deque<std::unique_ptr<Link>> links_;
};

template <typename T>
bool ready(const std::future<T>& future) {
  return future.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
}

struct SessionPair {
  std::unique_ptr<Session> connector, listener;
};

// Two that have shaken hands in `talk`, joined over links of `loop`.
inline SessionPair make_sessions(Loop& loop, Conversation talk, FaultScript script = {}) {
  auto [first, second] = make_loopback(loop, std::move(script));
  return {std::make_unique<Session>(std::move(first), std::move(talk.connector), Handshake::Side::kConnector),
          std::make_unique<Session>(std::move(second), std::move(talk.listener), Handshake::Side::kListener)};
}
inline SessionPair make_sessions(Loop& loop) {
  Conversation talk;
  talk.run();
  return make_sessions(loop, std::move(talk));
}

inline Offer offer(Role role) {
  Offer offer;
  offer.role = role;
  offer.slot_size = 1 << 18;
  return offer;
}

}  // namespace rdpipe
