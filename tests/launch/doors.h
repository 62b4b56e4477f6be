// Doorways on this host's loopback addresses, and what stands at their ports instead.
#pragma once

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <future>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "catch.h"
#include "ground/descriptor.h"
#include "ground/error.h"
#include "io/loop.h"
#include "launch/reach.h"
#include "transport/address.h"

namespace rdpipe {

constexpr auto kTestLimit = std::chrono::seconds(20);
constexpr int kTestMilliseconds = 20000;
inline const std::string kV4 = "127.0.0.1", kV6 = "::1";

inline const std::string kOneKey(64, '1'), kOtherKey(64, '2');  // random, as far as the code can tell

inline FabricOptions tcp_at(const std::string& address) {
  return {.choice = FabricChoice::kTcp, .address = address};
}

// Bound, but refusing: others that say SO_REUSEADDR may listen there. Nothing where somebody does.
inline Descriptor bound_socket(const std::string& address, unsigned port) {
  if (port > 65535) return {};
  const auto where = resolve({address, std::to_string(port)}, AddressFamily::kAny, Purpose::kBind).front();
  Descriptor socket(::socket(where.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  REQUIRE(socket.get() >= 0);
  const int yes = 1;
  REQUIRE(::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0);
  return ::bind(socket.get(), where.get(), where.size) == 0 ? std::move(socket) : Descriptor();
}

// A port that is kept for the test on both loopback addresses.
struct Place {
  Place() {
    for (int tries = 0; !v6; ++tries) {
      REQUIRE(tries < 100);
      v4 = bound_socket(kV4, 0);
      REQUIRE(v4.get() >= 0);
      port = local_address(v4.get()).port();
      v6 = bound_socket(kV6, port);
    }
  }
  [[nodiscard]] Contact contact(std::vector<std::string> addresses = {kV4, kV6}) const {
    return {.port = port, .addresses = std::move(addresses), .tcp = true};
  }
  [[nodiscard]] std::string v4_text() const { return "127.0.0.1:" + std::to_string(port); }
  [[nodiscard]] std::string v6_text() const { return "[::1]:" + std::to_string(port); }

  Descriptor v4, v6;
  std::uint16_t port = 0;
};

// A doorway in a thread of its own, open until the end of its scope.
class Listener {
 public:
  Listener(const std::string& address, std::uint16_t port, const std::string& key)
      : thread_([=, this] { serve(address, port, key); }) {
    const bool opened = open_.get_future().get();
    if (!opened) thread_.join();
    REQUIRE(opened);
  }
  ~Listener() {
    {
      const std::lock_guard lock(mutex_);
      over_ = true;
      loop_->notify();
    }
    thread_.join();
  }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  // Whether somebody is let in, once the last words of the one who came have left.
  [[nodiscard]] bool let_in(Loop& loop, const Reached& reached) {
    if (!reached.session) return false;
    Link& link = reached.session->link();
    const auto limit = Deadline::in(kTestLimit);
    while (!limit.passed()) {
      static_cast<void>(link.poll());
      if (link.drained()) break;
      loop.wait(limit);
    }
    return came_.get_future().wait_for(kTestLimit) == std::future_status::ready;
  }
  [[nodiscard]] int guests() const { return guests_; }

 private:
  void serve(const std::string& address, std::uint16_t port, const std::string& key) {
    Loop loop;
    std::optional<Doorway> door;
    try {
      door.emplace(loop, PortRange{port, port}, Key(Secret(key)), tcp_at(address));
    } catch (const Error&) {
      return open_.set_value(false);
    }
    loop_ = &loop;
    open_.set_value(true);
    std::vector<std::unique_ptr<Session>> sessions;
    while (!is_over()) {
      if (auto session = door->poll()) {
        sessions.push_back(std::move(session));
        if (++guests_ == 1) came_.set_value();
      } else {
        loop.wait(Deadline::in(kTestLimit));
      }
    }
  }
  [[nodiscard]] bool is_over() {
    const std::lock_guard lock(mutex_);
    return over_;
  }

  std::promise<bool> open_;
  std::promise<void> came_;
  std::atomic<int> guests_ = 0;
  std::mutex mutex_;
  bool over_ = false;
  Loop* loop_ = nullptr;
  std::thread thread_;
};

// Some other program: takes one connection, says `text`, then waits for the other end to go; with no text it
// hangs up at once.
class Stranger {
 public:
  Stranger(int socket, std::string text) {
    REQUIRE(::listen(socket, 1) == 0);
    thread_ = std::thread([socket, text = std::move(text)] { serve(socket, text); });
  }
  ~Stranger() { thread_.join(); }
  Stranger(const Stranger&) = delete;
  Stranger& operator=(const Stranger&) = delete;

 private:
  static bool await(int socket) {
    pollfd ready{.fd = socket, .events = POLLIN, .revents = 0};
    return ::poll(&ready, 1, kTestMilliseconds) == 1;
  }
  static void serve(int socket, const std::string& text) {
    if (!await(socket)) return;
    const Descriptor guest(::accept4(socket, nullptr, nullptr, SOCK_CLOEXEC));
    if (!guest || text.empty()) return;
    std::array<char, 4096> bytes{};
    if (::send(guest.get(), text.data(), text.size(), MSG_NOSIGNAL) <= 0) return;
    while (await(guest.get()) && ::read(guest.get(), bytes.data(), bytes.size()) > 0) {
    }
  }
  std::thread thread_;
};

// Makes `socket` listen and its kernel drop whoever wants to connect, as a firewall does.
class Crowd {
 public:
  explicit Crowd(const Descriptor& socket) {
    REQUIRE(::listen(socket.get(), 0) == 0);
    const auto where = local_address(socket.get());
    for (int i = 0; i < 4; ++i) {
      Descriptor one(::socket(where.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
      REQUIRE(one.get() >= 0);
      static_cast<void>(::connect(one.get(), where.get(), where.size));
      waiting_.push_back(std::move(one));
    }
    pollfd last{.fd = waiting_.back().get(), .events = POLLOUT, .revents = 0};
    REQUIRE(::poll(&last, 1, 0) == 0);
  }

 private:
  std::vector<Descriptor> waiting_;
};

}  // namespace rdpipe
