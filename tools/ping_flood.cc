// rdping --flood: threads that each send bursts to a server thread of every host as fast as the answers come.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <exception>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <random>
#include <vector>

#include <rdpipe/error.h>

#include "flood_peer.h"
#include "ping_message.h"
#include "ping_thread.h"
#include "ping_work.h"

namespace rdpipe::tools {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr auto kUsualTime = seconds(5);
constexpr auto kLastAnswers = seconds(1);  // for the last answers
constexpr auto kTurn = seconds(1);         // to look for one host before the next
constexpr int kTurns = 3;                  // of each host, where others have been found

struct Target {
  explicit Target(const DatagramAddress& at, std::size_t window) : address(at), peer(window) {}
  DatagramAddress address;
  FloodPeer peer;
};

struct Totals {
  std::uint64_t sent = 0, answered = 0, twice = 0;
  double rate = 0;  // answered a second
};

class Flooder {
 public:
  using Complain = std::function<void(const std::string&)>;
  Flooder(const PingSettings& settings, std::size_t index) : settings_(settings), index_(index) {}

  // Finds a server thread of each host; `complain` hears of the hosts where there is none.
  void run(Loop& loop, const PingThread& thread, const Complain& complain);
  // When run() has ended, whichever way. The rate is that of the time in which it sent; what came after that
  // counts as answered all the same.
  [[nodiscard]] Totals totals() const;
  [[nodiscard]] const DatagramCounts& counts() const noexcept { return counts_; }

 private:
  [[nodiscard]] bool find_targets(Loop& loop, const PingThread& thread, const Complain& complain);
  void look_for_all(Loop& loop, const Complain& complain);
  [[nodiscard]] bool try_host(Loop& loop, const std::string& host, const Complain& complain);
  void add_target(Loop& loop, const std::string& host);
  [[nodiscard]] FoundEndpoint find(Loop& loop, const std::string& host) const;
  void flood(Datagram& endpoint, const PingThread& thread);
  [[nodiscard]] std::size_t send_to(Target& target, Datagram& endpoint, Clock::time_point now);
  void receive(Datagram& endpoint, Deadline deadline);

  const PingSettings& settings_;
  std::size_t index_;
  DevicePort port_;
  std::vector<Target> targets_;
  Status failure_ = Status::kEndpoint;  // of the last host that could not be used
  std::vector<std::vector<std::byte>> messages_;
  std::uint32_t session_ = std::random_device{}();
  Clock::time_point began_{}, ended_{};  // sending
  DatagramCounts counts_;
  // What one call works with.
  std::array<OutgoingDatagram, kLongestChain> out_{};
  std::array<IncomingDatagram, kLongestChain> came_{};
};

// The threads are spread over those of the server: its thread 0 says how many there are.
FoundEndpoint Flooder::find(Loop& loop, const std::string& host) const {
  EndpointName name = parse_endpoint_name(host);
  const auto turn = std::min<Nanoseconds>(kTurn, settings_.connection.connect_timeout);
  FoundEndpoint first = find_named(loop, name, fabric_options(settings_.connection), Deadline::in(turn));
  if (!name.name.empty()) return first;
  name.name = std::to_string(first.endpoints > 0 ? index_ % first.endpoints : 0);
  return find_named(loop, name, fabric_options(settings_.connection), Deadline::in(turn));
}

void Flooder::add_target(Loop& loop, const std::string& host) {
  const FoundEndpoint found = find(loop, host);
  if (settings_.size > found.max_payload) {
    throw Error(Status::kUsage, "option --size", fmt::format("{} takes {} bytes", host, found.max_payload));
  }
  if (!targets_.empty() && found.port.device != port_.device) {
    throw Error(Status::kEndpoint, "reach " + host, "the route there is over another device");
  }
  port_ = found.port;
  targets_.emplace_back(found.address, settings_.burst * settings_.window);
}

// False where the host is silent, and may be asked again; `complain` hears what else is wrong.
bool Flooder::try_host(Loop& loop, const std::string& host, const Complain& complain) {
  try {
    add_target(loop, host);
    return true;
  } catch (const Error& error) {
    failure_ = error.status();
    if (failure_ == Status::kSignal) throw;
    if (failure_ == Status::kConnectTimeout) return false;
    complain(error.what());
    return true;
  }
}

// The hosts take turns, so that those that are dead do not use up the time of the others.
void Flooder::look_for_all(Loop& loop, const Complain& complain) {
  const Deadline deadline = Deadline::in(settings_.connection.connect_timeout);
  std::vector<std::string> hosts = settings_.hosts;
  for (int turn = 1; !hosts.empty(); ++turn) {
    std::erase_if(hosts, [&](const std::string& host) { return try_host(loop, host, complain); });
    if (deadline.passed() || (turn >= kTurns && !targets_.empty())) break;
  }
  for (const std::string& host : hosts) complain(fmt::format("find {} over RDMA: no answer", host));
  if (targets_.empty()) throw Error(failure_, "flood", "there is no server");
}

// False when the thread was told to stop.
bool Flooder::find_targets(Loop& loop, const PingThread& thread, const Complain& complain) {
  loop.interrupt_on(thread.stop_fd(), [] { throw Error(Status::kSignal, "", "told to stop"); });
  try {
    look_for_all(loop, complain);
  } catch (const Error& error) {
    if (error.status() != Status::kSignal) throw;
    return false;
  }
  loop.interrupt_on(-1, {});
  return true;
}

std::size_t Flooder::send_to(Target& target, Datagram& endpoint, Clock::time_point now) {
  const std::size_t count = settings_.burst;
  if (target.peer.room(now) < count) return 0;
  const auto peer = static_cast<std::uint32_t>(&target - targets_.data());
  for (std::size_t i = 0; i < count; ++i) {
    write_request(messages_[i], {.session = session_, .peer = peer, .sequence = target.peer.next() + i});
    out_[i] = {.to = &target.address, .payload = messages_[i]};
  }
  const std::size_t sent = endpoint.send_burst(std::span(out_).first(count));
  target.peer.note_sent(sent, now);
  return sent;
}

void Flooder::receive(Datagram& endpoint, Deadline deadline) {
  const std::size_t count = endpoint.receive_burst(came_, deadline);
  const auto now = Clock::now();
  for (const IncomingDatagram& one : std::span(came_).first(count)) {
    const auto answer = read_answer(one.payload);
    if (!answer || answer->session != session_ || answer->peer >= targets_.size()) continue;
    targets_[answer->peer].peer.note_answer(answer->sequence, now);
  }
}

Totals Flooder::totals() const {
  Totals totals;
  for (const Target& target : targets_) {
    totals.sent += target.peer.sent();
    totals.answered += target.peer.answered();
    totals.twice += target.peer.twice();
  }
  const double elapsed = std::chrono::duration<double>(ended_ - began_).count();
  if (elapsed > 0) totals.rate = static_cast<double>(totals.answered) / elapsed;
  return totals;
}

void Flooder::flood(Datagram& endpoint, const PingThread& thread) {
  began_ = ended_ = Clock::now();
  const Deadline end = end_after(settings_.deadline.value_or(kUsualTime));
  while (!thread.stopped() && !end.passed()) {
    ended_ = Clock::now();
    std::size_t sent = 0;
    for (Target& target : targets_) sent += send_to(target, endpoint, ended_);
    receive(endpoint, sent > 0 ? Deadline::now() : Deadline::in(milliseconds(20)).earlier(end));
  }
  ended_ = Clock::now();
  const Deadline linger = Deadline::in(kLastAnswers);
  const auto open = [](const Target& target) { return !target.peer.all_answered(); };
  while (!linger.passed() && std::ranges::any_of(targets_, open)) receive(endpoint, linger);
}

void Flooder::run(Loop& loop, const PingThread& thread, const Complain& complain) {
  if (!find_targets(loop, thread, complain)) return;
  messages_.assign(settings_.burst, std::vector<std::byte>(settings_.size));
  Datagram endpoint(
      loop, DatagramOptions{.port = port_, .max_payload = settings_.size, .busy_poll = settings_.busy_poll});
  if (settings_.size > endpoint.max_payload()) {
    throw Error(Status::kUsage, "option --size",
                fmt::format("a packet here holds {} bytes", endpoint.max_payload()));
  }
  flood(endpoint, thread);
  counts_ = endpoint.counts();
}

class Flood {
 public:
  Flood(Loop& loop, const PingSettings& settings);
  // Until all threads have ended, by themselves or for a signal.
  void run();
  // Prints what there was, throws what went wrong, or returns the exit status.
  [[nodiscard]] int finish() const;

 private:
  struct Worker {
    explicit Worker(const PingSettings& settings, std::size_t index) : flooder(settings, index) {}
    Flooder flooder;
    std::unique_ptr<PingThread> thread{};
  };
  void complain(const std::string& text);
  [[nodiscard]] bool over() const;
  void summarize(const Totals& all) const;
  [[nodiscard]] std::exception_ptr failure(const Totals& all) const;

  Loop& loop_;
  const PingSettings& settings_;
  std::mutex mutex_;
  std::vector<std::string> complaints_;  // each once
  std::exception_ptr interrupted_;
  std::list<Worker> workers_;
};

Flood::Flood(Loop& loop, const PingSettings& settings) : loop_(loop), settings_(settings) {
  for (int i = 0; i < settings.threads; ++i) {
    Worker& worker = workers_.emplace_back(settings, static_cast<std::size_t>(i));
    worker.thread = std::make_unique<PingThread>(
        [this, &worker](Loop& own, const PingThread& thread) {
          worker.flooder.run(own, thread, [this](const std::string& text) { complain(text); });
        },
        [this] { loop_.notify(); });
  }
}

void Flood::complain(const std::string& text) {
  const std::lock_guard lock(mutex_);
  if (std::ranges::find(complaints_, text) != complaints_.end()) return;
  complaints_.push_back(text);
  print_ping_notice("warning: " + text);
}

bool Flood::over() const {
  return std::ranges::all_of(workers_, [](const Worker& worker) { return worker.thread->over(); });
}

void Flood::run() {
  try {
    while (!over()) loop_.wait();
  } catch (const Error& error) {
    if (error.status() != Status::kSignal) throw;
    interrupted_ = std::current_exception();
    for (Worker& worker : workers_) worker.thread->stop();
    while (!over()) loop_.wait();
  }
}

// One thread's failure is no other's; a signal fails what has sent nothing yet.
std::exception_ptr Flood::failure(const Totals& all) const {
  for (const Worker& worker : workers_) {
    if (worker.thread->thrown()) return worker.thread->thrown();
  }
  return all.sent == 0 ? interrupted_ : nullptr;
}

int Flood::finish() const {
  Totals all;
  for (const Worker& worker : workers_) {
    const Totals one = worker.flooder.totals();
    all.sent += one.sent;
    all.answered += one.answered;
    all.twice += one.twice;
    all.rate += one.rate;
  }
  const std::exception_ptr failed = failure(all);
  if (all.sent > 0 || !failed) summarize(all);
  if (failed) std::rethrow_exception(failed);
  return static_cast<int>(all.answered > 0 ? Status::kOk : Status::kTimeout);
}

std::string line_of(const Totals& totals) {
  const std::uint64_t lost = totals.sent - totals.answered;
  const double share =
      totals.sent == 0 ? 0 : 100.0 * static_cast<double>(lost) / static_cast<double>(totals.sent);
  return fmt::format("{:.0f} messages/s, {} sent, {} answered, {} lost ({:.3g}%){}", totals.rate, totals.sent,
                     totals.answered, lost, share,
                     totals.twice == 0 ? "" : fmt::format(", {} came twice", totals.twice));
}

void Flood::summarize(const Totals& all) const {
  std::size_t index = 0;
  DatagramCounts counts;
  for (const Worker& worker : workers_) {
    if (!settings_.quiet) print_out(fmt::format("thread {}: {}", index, line_of(worker.flooder.totals())));
    ++index;
    add_trouble(counts, worker.flooder.counts());
  }
  if (const std::string trouble = trouble_of(counts); !trouble.empty()) print_out(trouble);
  print_out(fmt::format("total: {}, {:.3f} million messages/s", line_of(all), all.rate / 1e6));
}

}  // namespace

int flood(const PingSettings& settings, Interrupts& interrupts) {
  Loop loop;
  // What is wrong on the command line is wrong for all hosts.
  if (const std::string url = registry_url(); !url.empty()) const Registry usable(loop, url);
  for (const std::string& host : settings.hosts) static_cast<void>(parse_endpoint_name(host));
  Flood flood(loop, settings);
  loop.interrupt_on(interrupts.fd(), [&interrupts] { interrupts.throw_if_any(); });
  flood.run();
  return flood.finish();
}

}  // namespace rdpipe::tools
