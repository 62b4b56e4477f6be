// Datagrams over a real RDMA device: a program of its own, for a host that has one (tests/rdma/on-one-host).

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "catch.h"
#include "datagram/find.h"
#include "datagram/name_listener.h"
#include "ground/error.h"
#include "sanitized.h"
#include "transport/rdma_links.h"

using namespace rdpipe;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

struct Message {
  std::uint32_t sender = 0, number = 0;
};

// Sends back whatever comes, on a thread of its own, until it is told to stop or has sent back enough.
class EchoThread {
 public:
  explicit EchoThread(DatagramOptions options, std::uint64_t enough = ~0ULL)
      : thread_([this, options, enough] { run(options, enough); }) {
    while (!ready_) std::this_thread::yield();
  }
  ~EchoThread() {
    stop_ = true;
    thread_.join();
  }
  [[nodiscard]] const DatagramIdentity& identity() const { return identity_; }
  [[nodiscard]] std::uint64_t echoed() const { return echoed_; }

 private:
  void run(const DatagramOptions& options, std::uint64_t enough) {
    Loop loop;
    Datagram endpoint(loop, options);
    identity_ = endpoint.identity();
    ready_ = true;
    std::array<IncomingDatagram, 64> came;
    std::array<OutgoingDatagram, 64> answers;
    while (!stop_ && echoed_ < enough) {
      const std::size_t count = endpoint.receive_burst(came, Deadline::in(milliseconds(20)));
      for (std::size_t i = 0; i < count; ++i) answers[i] = {.to = &came[i].from, .payload = came[i].payload};
      for (std::size_t sent = 0; sent < count;) {
        sent += endpoint.send_burst(std::span(answers).subspan(sent, count - sent));
        if (sent < count) endpoint.await_room(Deadline::in(seconds(1)));
      }
      echoed_ += count;
    }
    endpoint.flush(Deadline::in(seconds(5)));
  }

  std::atomic<bool> ready_{false}, stop_{false};
  std::atomic<std::uint64_t> echoed_{0};
  DatagramIdentity identity_;
  std::thread thread_;
};

DatagramOptions on_device() { return {.port = usable_port({})}; }

// A listener on a thread of its own, with these names.
class ListenerThread {
 public:
  explicit ListenerThread(const std::vector<std::pair<std::string, DatagramIdentity>>& names)
      : thread_([this, names] {
          Loop loop;
          NameListener listener(loop, "0", {}, usable_port({}));
          for (const auto& [name, identity] : names) listener.add(name, identity);
          port_ = listener.port();
          while (!stop_) {
            listener.poll();
            loop.wait(Deadline::in(milliseconds(20)));
          }
        }) {
    while (port_ == 0) std::this_thread::yield();
  }
  ~ListenerThread() {
    stop_ = true;
    thread_.join();
  }
  [[nodiscard]] EndpointName name(const std::string& endpoint, int family = AF_INET) const {
    return {.peer = {host(family), std::to_string(port_)}, .name = endpoint};
  }

 private:
  std::atomic<std::uint16_t> port_{0};
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

FoundEndpoint find(Loop& loop, const EndpointName& name) {
  return find_endpoint(loop, name, {}, Deadline::in(seconds(20)));
}

constexpr std::size_t kMostLost = RDPIPE_SANITIZED;  // per cent

// What one endpoint sent to its peers, and what came back.
struct Account {
  std::vector<bool> back;
  std::size_t sent = 0, delivered = 0, twice = 0, altered = 0;
  [[nodiscard]] std::size_t lost() const { return sent - delivered; }
};

void take_answers(Datagram& endpoint, std::uint32_t sender, Account& account, Deadline deadline) {
  std::array<IncomingDatagram, 64> came;
  const std::size_t count = endpoint.receive_burst(came, deadline);
  for (const IncomingDatagram& one : std::span(came).first(count)) {
    Message message;
    if (one.payload.size() >= sizeof message) std::memcpy(&message, one.payload.data(), sizeof message);
    if (message.sender != sender || message.number >= account.sent) {
      ++account.altered;
    } else if (account.back[message.number]) {
      ++account.twice;
    } else {
      account.back[message.number] = true;
      ++account.delivered;
    }
  }
}

// Bursts of 1 to 64 to each peer in turn; the next goes when this one is back, or after `patience`.
Account exchange(Datagram& endpoint, std::uint32_t sender, std::span<const DatagramAddress> peers, int bursts,
                 std::size_t size, Nanoseconds patience) {
  Account account;
  std::vector<std::vector<std::byte>> payloads(64, std::vector<std::byte>(size));
  for (int burst = 0; burst < bursts; ++burst) {
    const auto count = static_cast<std::size_t>(1 + burst * 7 % 64);
    std::vector<OutgoingDatagram> out(count);
    account.back.resize(account.sent + count);
    for (std::size_t i = 0; i < count; ++i) {
      const Message message{.sender = sender, .number = static_cast<std::uint32_t>(account.sent + i)};
      std::memcpy(payloads[i].data(), &message, sizeof message);
      out[i] = {.to = &peers[static_cast<std::size_t>(burst) % peers.size()], .payload = payloads[i]};
    }
    const std::size_t before = account.delivered;
    for (std::size_t sent = 0; sent < count;) {
      sent += endpoint.send_burst(std::span(out).subspan(sent));
      if (sent < count) endpoint.await_room(Deadline::in(seconds(1)));
    }
    account.sent += count;
    const Deadline deadline = Deadline::in(patience);
    while (account.delivered < before + count && !deadline.passed()) {
      take_answers(endpoint, sender, account, deadline);
    }
  }
  return account;
}

}  // namespace

TEST_CASE("rdma: 8 endpoints and 3 peers, bursts of 1 to 64: every datagram is accounted for", "[rdma]") {
  constexpr std::size_t kEndpoints = 8;
  std::vector<std::unique_ptr<EchoThread>> peers;
  std::vector<std::pair<std::string, DatagramIdentity>> names;
  for (int i = 0; i < 3; ++i) {
    peers.push_back(std::make_unique<EchoThread>(on_device()));
    names.emplace_back(std::to_string(i), peers.back()->identity());
  }
  ListenerThread listener(names);
  std::vector<Account> accounts(kEndpoints);
  std::vector<DatagramCounts> counts(kEndpoints);
  std::vector<std::thread> threads;
  std::atomic<bool> failed{false};
  for (std::size_t t = 0; t < kEndpoints; ++t) {
    threads.emplace_back([&, t] {
      try {
        Loop loop;
        std::vector<DatagramAddress> addresses;
        for (const auto& [name, identity] : names)
          addresses.push_back(find(loop, listener.name(name)).address);
        DatagramOptions options = on_device();
        options.max_payload = 1024;
        Datagram endpoint(loop, options);
        const std::size_t size = t % 2 == 0 ? 64 : 1000;  // inline and not
        accounts[t] = exchange(endpoint, static_cast<std::uint32_t>(t), addresses, 60, size, seconds(10));
        counts[t] = endpoint.counts();
      } catch (const Error& error) {
        fmt::print(stderr, "endpoint {}: {}\n", t, error.what());
        failed = true;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK_FALSE(failed);
  std::uint64_t echoed = 0, sent = 0, delivered = 0;
  for (const auto& peer : peers) echoed += peer->echoed();
  for (std::size_t t = 0; t < kEndpoints; ++t) {
    INFO("endpoint " << t << ": " << accounts[t].lost() << " lost of " << accounts[t].sent << ", ran empty "
                     << counts[t].ran_empty);
    CHECK(accounts[t].twice == 0);
    CHECK(accounts[t].altered == 0);
    CHECK(counts[t].sent == accounts[t].sent);
    CHECK(counts[t].send_errors == 0);
    CHECK(counts[t].received == accounts[t].delivered);
    // Nothing loses datagrams within one host but a queue without receives, and 8 bursts of 64 fit it; or a
    // device in software whose processor is busy, as it is where a sanitizer slows all down.
    CHECK(accounts[t].lost() * 100 <= accounts[t].sent * kMostLost);
    sent += accounts[t].sent;
    delivered += accounts[t].delivered;
  }
  CHECK(echoed <= sent);
  CHECK(delivered <= echoed);
  if (kMostLost == 0) CHECK(echoed == sent);
}

TEST_CASE("rdma: a dead peer does not stop the others", "[rdma]") {
  EchoThread alive(on_device());
  auto dead = std::make_unique<EchoThread>(on_device());
  ListenerThread listener({{"alive", alive.identity()}, {"dead", dead->identity()}});
  Loop loop;
  const DatagramAddress peers[] = {find(loop, listener.name("alive")).address,
                                   find(loop, listener.name("dead")).address};
  dead.reset();
  Datagram endpoint(loop, on_device());
  const Account account = exchange(endpoint, 1, peers, 20, 64, milliseconds(700));
  std::size_t to_the_living = 0;
  for (int burst = 0; burst < 20; burst += 2) to_the_living += static_cast<std::size_t>(1 + burst * 7 % 64);
  CHECK(account.delivered == to_the_living);
  CHECK(account.lost() == account.sent - to_the_living);
  CHECK(endpoint.counts().send_errors == 0);
}

TEST_CASE("rdma: a name that is not there, a port where nobody listens", "[rdma]") {
  EchoThread peer(on_device());
  EndpointName nobody;
  {
    ListenerThread listener({{"a", peer.identity()}, {"b", peer.identity()}});
    Loop loop;
    NameServer server(loop, listener.name("").peer, {}, Deadline::in(seconds(5)));
    const FoundEndpoint none = server.ask("c", Deadline::in(seconds(20)));
    CHECK(none.outcome == Asked::kNoName);
    CHECK(none.round_trip > Nanoseconds(0));
    CHECK_THROWS_AS(find(loop, listener.name("c")), Error);
    const FoundEndpoint any = server.ask("", Deadline::in(seconds(20)));
    CHECK(any.outcome == Asked::kFound);
    CHECK(any.endpoints == 2);
    CHECK(any.address.queue_pair == peer.identity().queue_pair);
    CHECK(any.address.key == peer.identity().key);
    nobody = listener.name("a");
  }
  Loop loop;
  NameServer server(loop, nobody.peer, {}, Deadline::in(seconds(5)));
  const FoundEndpoint none = server.ask("a", Deadline::in(seconds(20)));
  CHECK(none.outcome == Asked::kNoOne);
  CHECK(none.round_trip > Nanoseconds(0));
  CHECK(none.cause == "Connection refused");
}

TEST_CASE("rdma: over IPv4 and IPv6 at once, with room for one address handle", "[rdma]") {
  EchoThread peer(on_device());
  ListenerThread listener({{"a", peer.identity()}});
  Loop loop;
  const DatagramAddress peers[] = {find(loop, listener.name("a", AF_INET)).address,
                                   find(loop, listener.name("a", AF_INET6)).address};
  CHECK(peers[0].path.gid != peers[1].path.gid);
  DatagramOptions options = on_device();
  options.paths = 1;
  Datagram endpoint(loop, options);
  const Account account = exchange(endpoint, 1, peers, 20, 64, seconds(10));
  CHECK(account.lost() == 0);
  CHECK(endpoint.known_paths() == 1);
}

TEST_CASE("rdma: the longest payload goes, and none that is longer", "[rdma]") {
  EchoThread peer(on_device());
  ListenerThread listener({{"a", peer.identity()}});
  Loop loop;
  const FoundEndpoint found = find(loop, listener.name("a"));
  Datagram endpoint(loop, on_device());
  CHECK(found.max_payload == endpoint.max_payload());
  CHECK(endpoint.max_payload() >= 1024);
  const Account account = exchange(endpoint, 1, {&found.address, 1}, 10, endpoint.max_payload(), seconds(10));
  CHECK(account.lost() == 0);
  const std::vector<std::byte> longer(endpoint.max_payload() + 1);
  const OutgoingDatagram datagram{.to = &found.address, .payload = longer};
  CHECK_THROWS_AS(endpoint.send_burst({&datagram, 1}), Error);
}

TEST_CASE("rdma: who does not receive loses, and says that it may have", "[rdma]") {
  Loop loop;
  DatagramOptions options = on_device();
  options.receives = 64;
  Datagram idle(loop, options);
  ListenerThread listener({{"idle", idle.identity()}});
  const DatagramAddress to = find(loop, listener.name("idle")).address;
  Datagram sender(loop, on_device());
  const std::byte payload[8]{};
  const OutgoingDatagram datagram{.to = &to, .payload = payload};
  const std::vector<OutgoingDatagram> burst(100, datagram);
  CHECK(sender.send_burst(burst) == 100);
  CHECK(sender.flush(Deadline::in(seconds(10))));
  std::array<IncomingDatagram, 128> came;
  std::size_t received = 0;
  for (const Deadline deadline = Deadline::in(seconds(2)); !deadline.passed();) {
    received += idle.receive_burst(came, deadline);
  }
  CHECK(received == 64);
  CHECK(idle.counts().received == 64);
  CHECK(idle.counts().ran_empty >= 1);
  CHECK(sender.counts().sent == 100);
}

TEST_CASE("rdma: what has another key is not received", "[rdma]") {
  Loop loop;
  Datagram receiver(loop, on_device());
  ListenerThread listener({{"a", receiver.identity()}});
  DatagramAddress to = find(loop, listener.name("a")).address;
  Datagram sender(loop, on_device());
  const std::byte payload[8]{};
  std::array<IncomingDatagram, 8> came;
  to.key ^= 1;
  const OutgoingDatagram datagram{.to = &to, .payload = payload};
  CHECK(sender.send_burst({&datagram, 1}) == 1);
  CHECK(receiver.receive_burst(came, Deadline::in(milliseconds(500))) == 0);
  to.key ^= 1;
  CHECK(sender.send_burst({&datagram, 1}) == 1);
  std::size_t count = 0;
  for (const Deadline deadline = Deadline::in(seconds(10)); count == 0 && !deadline.passed();) {
    count = receiver.receive_burst(came, deadline);
  }
  CHECK(count == 1);
}

TEST_CASE("rdma: busy polling and sleeping at once find what comes as well", "[rdma]") {
  const Nanoseconds busy_poll = GENERATE(milliseconds(50), milliseconds(0));
  EchoThread peer(on_device());
  ListenerThread listener({{"a", peer.identity()}});
  Loop loop;
  const FoundEndpoint found = find(loop, listener.name("a"));
  DatagramOptions options = on_device();
  options.busy_poll = busy_poll;
  Datagram endpoint(loop, options);
  CHECK(exchange(endpoint, 1, {&found.address, 1}, 10, 64, seconds(10)).lost() == 0);
}
