#include "transport/fabric.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

#include "ground/error.h"
#include "io/loop.h"
#include "transport/address.h"
#include "transport/dial.h"
#include "transport/tcp.h"

namespace rdpipe {
namespace {

constexpr auto kFirstPause = std::chrono::milliseconds(20);  // between rounds of tries, doubling
constexpr auto kLongestPause = std::chrono::milliseconds(250);
// An RDMA try that failed within this time was refused, and trying once more costs little.
constexpr auto kSoon = std::chrono::seconds(1);
constexpr int kMostPorts = 16;  // that TCP may choose until one is free on RDMA

using Notice = std::function<void(const std::string&)>;

struct Rdma {
  bool usable = false;
  std::string why_not;
};

// Throws where RDMA is impossible but was asked for.
Rdma look_for_rdma(const FabricOptions& options) {
  Rdma rdma;
  if (options.choice == FabricChoice::kTcp) return rdma;
  rdma.usable = rdma_available(options, rdma.why_not);
  const bool demanded = demands_rdma(options);
  if (!rdma.usable && demanded) {
    throw Error(Status::kEndpoint, "use RDMA", rdma.why_not,
                "rdma link show lists this host's devices; --fabric=tcp does without");
  }
  return rdma;
}

// Tries in rounds until one answers or the time is up.
class Connector {
 public:
  Connector(Loop& loop, const PeerAddress& peer, const FabricOptions& options, Deadline deadline)
      : loop_(loop), peer_(peer), options_(options), deadline_(deadline), rdma_(look_for_rdma(options)) {}

  std::unique_ptr<Link> connect();
  // Why what connect() returned is not RDMA.
  [[nodiscard]] const std::string& why_not_rdma() const { return rdma_.why_not; }

 private:
  using DialOne = std::unique_ptr<Dial> (*)(Loop&, const PeerAddress&, const FabricOptions&);

  std::unique_ptr<Link> try_round();
  std::unique_ptr<Link> try_rdma();
  std::unique_ptr<Link> try_tcp();
  std::unique_ptr<Link> await(DialOne dial, Deadline until, std::string& failure);
  [[noreturn]] void throw_too_late() const;

  Loop& loop_;
  const PeerAddress& peer_;
  const FabricOptions& options_;
  Deadline deadline_;
  Rdma rdma_;
  std::string rdma_failure_, tcp_failure_;  // of the last try
};

std::unique_ptr<Link> Connector::connect() {
  Nanoseconds pause = kFirstPause;
  for (unsigned retries = 0;; ++retries) {
    if (auto link = try_round()) {
      link->set_retries(retries);
      return link;
    }
    const Deadline next = Deadline::in(pause).earlier(deadline_);
    while (!next.passed()) loop_.wait(next);
    if (deadline_.passed()) throw_too_late();
    pause = std::min<Nanoseconds>(2 * pause, kLongestPause);
  }
}

std::unique_ptr<Link> Connector::try_round() {
  if (!rdma_.usable) return try_tcp();
  const auto begun = Clock::now();
  if (auto link = try_rdma()) return link;
  if (options_.choice == FabricChoice::kRdma || deadline_.passed()) return nullptr;
  const bool refused = Clock::now() - begun < kSoon;
  auto tcp = try_tcp();
  if (!tcp || !refused) return tcp;
  // A listener binds TCP last: it may have begun to listen after RDMA was refused, but by now it does on
  // both.
  if (auto link = try_rdma()) return link;
  return tcp;
}

std::unique_ptr<Link> Connector::try_rdma() {
  // A host of many addresses and no RDMA answers none of them: the other half of the time is TCP's.
  const bool alone = options_.choice == FabricChoice::kRdma || deadline_.is_never();
  const Deadline until = alone ? deadline_ : Deadline::in(deadline_.remaining() / 2);
  try {
    return await(&dial_rdma, until, rdma_failure_);
  } catch (const Error& error) {
    // What RDMA cannot reach TCP may; a host that is unknown to both is TCP's to report.
    if (options_.choice == FabricChoice::kRdma || error.status() == Status::kUsage) throw;
    rdma_failure_ = rdma_.why_not = error.status() == Status::kMemory ? error.what() : error.cause();
    return nullptr;
  }
}

std::unique_ptr<Link> Connector::try_tcp() { return await(&dial_tcp, deadline_, tcp_failure_); }

// The link, or nothing and why; throws what no further try can change.
std::unique_ptr<Link> Connector::await(DialOne dial_one, Deadline until, std::string& failure) {
  try {
    const auto dial = dial_one(loop_, peer_, options_);
    for (;;) {
      if (auto link = dial->poll()) return link;
      if (until.passed()) break;
      loop_.wait(until);
    }
    if (failure.empty()) failure = "no answer";  // a try cut short must not hide what the one before was told
  } catch (const Error& error) {
    if (error.status() != Status::kNetwork) throw;
    failure = error.cause();
  }
  if (dial_one == &dial_rdma) rdma_.why_not = failure;
  return nullptr;
}

void Connector::throw_too_late() const {
  const std::string rdma = "RDMA: " + (rdma_.usable ? rdma_failure_ : rdma_.why_not);
  const std::string cause = options_.choice == FabricChoice::kRdma  ? rdma_failure_
                            : options_.choice == FabricChoice::kTcp ? tcp_failure_
                            : tcp_failure_.empty()                  ? rdma
                                                                    : rdma + "; TCP: " + tcp_failure_;
  std::string hint = "is the other end running, on this port, and does a firewall let it through?";
  // A listener's port closes once a sender is in.
  const bool refused = cause.find(errno_text(ECONNREFUSED)) != std::string::npos;
  if (refused) hint += " Or it was taken by another sender already: each rdrecv takes one.";
  throw Error(Status::kConnectTimeout, "connect to " + endpoint_text(peer_), cause, hint);
}

// Both fabrics behind one port.
class BothAcceptor final : public Acceptor {
 public:
  BothAcceptor(std::unique_ptr<Acceptor> rdma, std::unique_ptr<Acceptor> tcp)
      : rdma_(std::move(rdma)), tcp_(std::move(tcp)) {}

  std::unique_ptr<Link> poll() override {
    if (auto link = rdma_->poll()) return link;
    return tcp_->poll();
  }
  [[nodiscard]] std::uint16_t port() const override { return tcp_->port(); }
  [[nodiscard]] std::string describe() const override {
    return rdma_->describe() + " and " + tcp_->describe();
  }

 private:
  std::unique_ptr<Acceptor> rdma_, tcp_;
};

void tell(const Notice& notice, const std::string& why) {
  if (!notice || why.empty()) return;
  const bool named = why.find("RDMA") != std::string::npos;
  notice((named ? "using TCP: " : "using TCP: RDMA: ") + why);
}

// Nothing, and why, where RDMA cannot listen and need not.
std::unique_ptr<Acceptor> try_listen_rdma(Loop& loop, const std::string& port, const FabricOptions& options,
                                          const Notice& notice, std::string& why_not) {
  try {
    return listen_rdma(loop, port, options, [notice](const std::string& why) { tell(notice, why); });
  } catch (const Error& error) {
    // A port that another listener has on RDMA must not send this one's peers to it.
    const bool asked_wrongly = error.status() == Status::kUsage;  // as try_rdma() has it
    if (error.status() == Status::kNetwork || asked_wrongly || !options.device.empty()) throw;
    why_not = error.what();
    return nullptr;
  }
}

struct Bound {
  std::unique_ptr<TcpAcceptor> tcp;  // has the port, but refuses as yet
  std::unique_ptr<Acceptor> rdma;    // null where there is none
};

bool is_any_port(const std::string& port) {
  return !port.empty() && port.find_first_not_of('0') == std::string::npos;
}

// TCP chooses where any port will do, and again while its choice is another listener's on RDMA.
Bound bind_both(Loop& loop, const std::string& port, const FabricOptions& options, const Notice& notice,
                Rdma& rdma) {
  for (int ports = 1;; ++ports) {
    Bound bound;
    bound.tcp = std::make_unique<TcpAcceptor>(loop, port, options);
    if (!rdma.usable) return bound;
    try {
      bound.rdma = try_listen_rdma(loop, std::to_string(bound.tcp->port()), options, notice, rdma.why_not);
      return bound;
    } catch (const Error& error) {
      if (error.status() != Status::kNetwork || !is_any_port(port) || ports == kMostPorts) throw;
    }
  }
}

}  // namespace

std::unique_ptr<Link> connect(Loop& loop, const PeerAddress& peer, const FabricOptions& options,
                              Deadline deadline, const std::function<void(const std::string&)>& notice) {
  Connector connector(loop, peer, options, deadline);
  auto link = connector.connect();
  const bool fell_back = options.choice == FabricChoice::kAuto && link->info().fabric == Fabric::kTcp;
  if (fell_back) tell(notice, connector.why_not_rdma());
  return link;
}

std::unique_ptr<Acceptor> listen(Loop& loop, const std::string& port, const FabricOptions& options,
                                 const std::function<void(const std::string&)>& notice) {
  Rdma rdma = look_for_rdma(options);
  if (options.choice == FabricChoice::kRdma) return listen_rdma(loop, port, options);
  Bound bound = bind_both(loop, port, options, notice, rdma);
  bound.tcp->start();
  if (bound.rdma) return std::make_unique<BothAcceptor>(std::move(bound.rdma), std::move(bound.tcp));
  if (options.choice == FabricChoice::kAuto) tell(notice, rdma.why_not);
  return std::move(bound.tcp);
}

}  // namespace rdpipe
