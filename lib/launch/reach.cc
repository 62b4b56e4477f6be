#include "launch/reach.h"

#include <fmt/format.h>

#include <algorithm>
#include <list>
#include <random>
#include <utility>

#include "ground/error.h"
#include "io/loop.h"
#include "launch/addresses.h"
#include "transport/address.h"
#include "transport/dial.h"

namespace rdpipe {
namespace {

constexpr Nanoseconds kStep = std::chrono::milliseconds(250);  // before the next address is tried as well
constexpr Nanoseconds kRdmaLimit = std::chrono::seconds(2);    // for all addresses
constexpr Nanoseconds kTcpLimit = std::chrono::seconds(4);
constexpr Nanoseconds kHandshake = std::chrono::seconds(2);  // who answers is rdpipe, or is not

using Notice = std::function<void(const std::string&)>;

void ignore(const std::string&) {}

std::unique_ptr<Acceptor> listen_in_range(Loop& loop, PortRange range, const FabricOptions& options,
                                          const Notice& notice) {
  if (range.low == 0) return listen(loop, "0", options, notice);
  // From anywhere in the range on: those who start together do not all meet at its beginning.
  const unsigned size = range.high - range.low + 1U;
  const unsigned start = std::random_device{}() % size;
  for (unsigned i = 0;; ++i) {
    try {
      return listen(loop, std::to_string(range.low + (start + i) % size), options, notice);
    } catch (const Error& error) {
      if (error.status() != Status::kNetwork || i + 1 == size) throw;
    }
  }
}

// Over one fabric, all addresses.
class Race {
 public:
  using DialOne = std::unique_ptr<Dial> (*)(Loop&, const PeerAddress&, const FabricOptions&);
  Race(Loop& loop, const Contact& contact, const Key& key, const FabricOptions& options, DialOne dial)
      : loop_(loop), contact_(contact), key_(key), options_(options), dial_(dial) {}

  std::unique_ptr<Session> run(Deadline deadline) {
    deadline_ = deadline;
    while (!deadline.passed()) {
      if (may_start()) start();
      if (auto session = poll()) return session;
      if (runners_.empty() && next_ == contact_.addresses.size()) return nullptr;
      if (may_start()) continue;
      loop_.wait(next_ < contact_.addresses.size() ? deadline.earlier(next_step_) : deadline);
    }
    for (const Runner& runner : runners_) note(runner.peer, "no answer");
    return nullptr;
  }
  std::string failures;  // "10.0.0.1:4711: Connection refused; ..."

 private:
  struct Runner {
    PeerAddress peer;
    std::unique_ptr<Dial> dial;
  };
  [[nodiscard]] bool may_start() const {
    return next_ < contact_.addresses.size() && (runners_.empty() || next_step_.passed());
  }
  void start() {
    const PeerAddress peer{contact_.addresses[next_++], std::to_string(contact_.port)};
    next_step_ = Deadline::in(kStep);
    try {
      runners_.push_back({peer, dial_(loop_, peer, options_)});
    } catch (const Error& error) {
      note(peer, error.cause());
    }
  }
  std::unique_ptr<Session> poll() {
    for (auto runner = runners_.begin(); runner != runners_.end();) {
      std::string failure;
      if (auto session = advance(*runner, failure)) return session;
      if (!failure.empty()) note(runner->peer, failure);
      runner = failure.empty() ? std::next(runner) : runners_.erase(runner);
    }
    return nullptr;
  }
  // The session, or nothing and perhaps why this one is over. What interrupts the loop goes on up.
  std::unique_ptr<Session> advance(Runner& runner, std::string& failure) {
    std::unique_ptr<Link> link;
    try {
      link = runner.dial->poll();
    } catch (const Error& error) {
      failure = error.cause();
    }
    if (!link) return nullptr;
    try {
      return authenticate(loop_, std::move(link), key_, deadline_.earlier(Deadline::in(kHandshake)));
    } catch (const Error& error) {  // another host has this address, seen from here
      if (error.status() == Status::kSignal) throw;
      failure = error.cause();
      return nullptr;
    }
  }
  void note(const PeerAddress& peer, const std::string& failure) {
    if (!failures.empty()) failures += "; ";
    failures += fmt::format("{}: {}", endpoint_text(peer), failure);
  }

  Loop& loop_;
  const Contact& contact_;
  const Key& key_;
  const FabricOptions& options_;
  DialOne dial_;
  std::list<Runner> runners_;
  std::size_t next_ = 0;
  Deadline next_step_ = Deadline::now(), deadline_ = Deadline::now();
};

std::string why_no_rdma(const Contact& contact, const FabricOptions& options) {
  if (options.choice == FabricChoice::kTcp) return "--fabric=tcp";
  std::string why;
  if (!rdma_available(options, why)) return why;
  return contact.rdma ? "" : "the other end has no RDMA device";
}

// That this host has no RDMA is no news: the way that is taken tells.
std::unique_ptr<Acceptor> listen_without_a_word(Loop& loop, PortRange range, const FabricOptions& options,
                                                const Notice& notice) {
  const auto listens = std::make_shared<bool>(false);
  auto acceptor = listen_in_range(loop, range, options, [listens, notice](const std::string& text) {
    if (*listens && notice) notice(text);
  });
  *listens = true;
  return acceptor;
}

}  // namespace

Doorway::Doorway(Loop& loop, PortRange range, const Key& key, const FabricOptions& options,
                 const Notice& notice)
    : acceptor_(listen_without_a_word(loop, range, options, notice)), lobby_(loop, *acceptor_, key, ignore) {}

Contact Doorway::contact(const FabricOptions& options, const std::string& address,
                         const std::string& known) const {
  const std::string fabrics = acceptor_->describe();
  Contact contact;
  contact.port = acceptor_->port();
  contact.addresses =
      address.empty() ? own_addresses(options.family, known) : std::vector<std::string>{address};
  contact.rdma = fabrics.find("RDMA") != std::string::npos;
  contact.tcp = fabrics.find("TCP") != std::string::npos;
  return contact;
}

Reached reach(Loop& loop, const Contact& contact, const Key& key, const FabricOptions& options) {
  Reached reached;
  std::string failures;
  reached.why_not = why_no_rdma(contact, options);
  if (reached.why_not.empty()) {
    Race race(loop, contact, key, options, &dial_rdma);
    reached.session = race.run(Deadline::in(kRdmaLimit));
    if (reached.session) return reached;
    reached.why_not = race.failures;
    failures = "RDMA: " + race.failures + "; ";
  } else if (demands_rdma(options)) {
    throw Error(Status::kEndpoint, "use RDMA", reached.why_not, "--fabric=tcp does without");
  }
  if (demands_rdma(options) || !contact.tcp) return reached;
  Race race(loop, contact, key, options, &dial_tcp);
  reached.session = race.run(Deadline::in(kTcpLimit));
  if (!reached.session) reached.why_not = failures + "TCP: " + race.failures;
  return reached;
}

}  // namespace rdpipe
