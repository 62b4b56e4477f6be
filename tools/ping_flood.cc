// rdping --flood: threads that each send bursts to a server thread of every host as fast as the answers come.
#include <fmt/format.h>

#include <algorithm>
#include <array>
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
constexpr auto kToFind = seconds(10);
constexpr auto kLastAnswers = seconds(1);  // for the last answers

struct Target {
  explicit Target(const DatagramAddress& at, std::size_t window) : address(at), peer(window) {}
  DatagramAddress address;
  FloodPeer peer;
};

struct Totals {
  std::uint64_t sent = 0, answered = 0, twice = 0;
  double seconds = 0;
  [[nodiscard]] double rate() const { return seconds > 0 ? static_cast<double>(answered) / seconds : 0; }
};

class Flooder {
 public:
  Flooder(const PingSettings& settings, std::size_t index) : settings_(settings), index_(index) {}

  // Finds a server thread of each host; `complain` hears of the hosts where there is none.
  void run(Loop& loop, const PingThread& thread, const std::function<void(const std::string&)>& complain);
  [[nodiscard]] const Totals& totals() const noexcept { return totals_; }

 private:
  void find_targets(Loop& loop, const std::function<void(const std::string&)>& complain);
  [[nodiscard]] FoundEndpoint find(Loop& loop, const std::string& host) const;
  [[nodiscard]] std::size_t send_to(Target& target, Datagram& endpoint, Clock::time_point now);
  void receive(Datagram& endpoint, Deadline deadline);
  void add_up(Clock::duration elapsed);

  const PingSettings& settings_;
  std::size_t index_;
  DevicePort port_;
  std::vector<Target> targets_;
  std::vector<std::vector<std::byte>> messages_;
  std::uint32_t session_ = std::random_device{}();
  Totals totals_;
};

// The threads are spread over those of the server: its thread 0 says how many there are.
FoundEndpoint Flooder::find(Loop& loop, const std::string& host) const {
  EndpointName name = parse_endpoint_name(host);
  const Deadline deadline = Deadline::in(kToFind);
  const FoundEndpoint first = find_ping_server(loop, name, settings_, deadline);
  const std::size_t turn = first.endpoints > 0 ? index_ % first.endpoints : 0;
  if (!name.name.empty()) return first;
  name.name = std::to_string(turn);
  return find_ping_server(loop, name, settings_, deadline);
}

void Flooder::find_targets(Loop& loop, const std::function<void(const std::string&)>& complain) {
  for (const std::string& host : settings_.hosts) {
    try {
      const FoundEndpoint found = find(loop, host);
      if (settings_.size > found.max_payload) {
        throw Error(Status::kUsage, "option --size",
                    fmt::format("{} takes {} bytes", host, found.max_payload));
      }
      if (!targets_.empty() && found.port.device != port_.device) {
        throw Error(Status::kEndpoint, "reach " + host, "the route there is over another device");
      }
      port_ = found.port;
      targets_.emplace_back(found.address, settings_.burst * settings_.window);
    } catch (const Error& error) {
      if (error.status() == Status::kUsage) throw;
      complain(error.what());
    }
  }
  if (targets_.empty()) throw Error(Status::kEndpoint, "flood", "there is no server");
}

std::size_t Flooder::send_to(Target& target, Datagram& endpoint, Clock::time_point now) {
  const std::size_t count = settings_.burst;
  if (target.peer.room(now) < count) return 0;
  std::array<OutgoingDatagram, kLongestChain> out;
  const auto peer = static_cast<std::uint32_t>(&target - targets_.data());
  for (std::size_t i = 0; i < count; ++i) {
    write_request(messages_[i], {.session = session_, .peer = peer, .sequence = target.peer.next() + i});
    out[i] = {.to = &target.address, .payload = messages_[i]};
  }
  const std::size_t sent = endpoint.send_burst(std::span(out).first(count));
  target.peer.note_sent(sent, now);
  return sent;
}

void Flooder::receive(Datagram& endpoint, Deadline deadline) {
  std::array<IncomingDatagram, kLongestChain> came;
  const std::size_t count = endpoint.receive_burst(came, deadline);
  const auto now = Clock::now();
  for (const IncomingDatagram& one : std::span(came).first(count)) {
    const auto answer = read_answer(one.payload);
    if (!answer || answer->session != session_ || answer->peer >= targets_.size()) continue;
    targets_[answer->peer].peer.note_answer(answer->sequence, now);
  }
}

void Flooder::add_up(Clock::duration elapsed) {
  totals_.seconds = std::chrono::duration<double>(elapsed).count();
  for (const Target& target : targets_) {
    totals_.sent += target.peer.sent();
    totals_.answered += target.peer.answered();
    totals_.twice += target.peer.twice();
  }
}

void Flooder::run(Loop& loop, const PingThread& thread,
                  const std::function<void(const std::string&)>& complain) {
  find_targets(loop, complain);
  messages_.assign(settings_.burst, std::vector<std::byte>(settings_.size));
  Datagram endpoint(
      loop, DatagramOptions{.port = port_, .max_payload = settings_.size, .busy_poll = settings_.busy_poll});
  const auto began = Clock::now();
  const Deadline end = Deadline::in(settings_.deadline.count() > 0 ? settings_.deadline : kUsualTime);
  const auto done = [&] { return thread.stopped() || end.passed(); };
  while (!done()) {
    const auto now = Clock::now();
    std::size_t sent = 0;
    for (Target& target : targets_) sent += send_to(target, endpoint, now);
    receive(endpoint, sent > 0 ? Deadline::now() : Deadline::in(milliseconds(20)).earlier(end));
  }
  add_up(Clock::now() - began);
  const Deadline linger = Deadline::in(kLastAnswers);
  const auto open = [](const Target& target) { return !target.peer.all_answered(); };
  while (!linger.passed() && std::ranges::any_of(targets_, open)) receive(endpoint, linger);
  // The rate is that of the time before; what came after counts as answered all the same.
  const double elapsed = totals_.seconds;
  totals_ = {};
  add_up({});
  totals_.seconds = elapsed;
}

class Flood {
 public:
  Flood(Loop& loop, const PingSettings& settings);
  void run();
  [[nodiscard]] int summarize() const;

 private:
  struct Worker {
    explicit Worker(const PingSettings& settings, std::size_t index) : flooder(settings, index) {}
    Flooder flooder;
    std::unique_ptr<PingThread> thread{};
  };
  void complain(const std::string& text);
  [[nodiscard]] bool over() const;

  Loop& loop_;
  const PingSettings& settings_;
  std::mutex mutex_;
  std::vector<std::string> complaints_;  // each once
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
    for (Worker& worker : workers_) worker.thread->stop();
    while (!over()) loop_.wait();
  }
  for (const Worker& worker : workers_) {
    if (worker.thread->thrown()) std::rethrow_exception(worker.thread->thrown());
  }
}

int Flood::summarize() const {
  Totals all;
  double rate = 0;
  std::size_t index = 0;
  const auto line = [](const Totals& totals, double answered_a_second) {
    const std::uint64_t lost = totals.sent - totals.answered;
    return fmt::format(
        "{:.0f} messages/s, {} sent, {} answered, {} lost ({:.3g}%){}", answered_a_second, totals.sent,
        totals.answered, lost,
        totals.sent == 0 ? 0 : 100.0 * static_cast<double>(lost) / static_cast<double>(totals.sent),
        totals.twice == 0 ? "" : fmt::format(", {} came twice", totals.twice));
  };
  for (const Worker& worker : workers_) {
    const Totals& one = worker.flooder.totals();
    if (!settings_.quiet) print_out(fmt::format("thread {}: {}", index, line(one, one.rate())));
    ++index;
    all.sent += one.sent;
    all.answered += one.answered;
    all.twice += one.twice;
    rate += one.rate();
  }
  print_out(fmt::format("total: {}, {:.3f} million messages/s", line(all, rate), rate / 1e6));
  return static_cast<int>(all.answered > 0 ? Status::kOk : Status::kTimeout);
}

}  // namespace

int flood(const PingSettings& settings, Interrupts& interrupts) {
  Loop loop;
  Flood flood(loop, settings);
  loop.interrupt_on(interrupts.fd(), [&interrupts] { interrupts.throw_if_any(); });
  flood.run();
  return flood.summarize();
}

}  // namespace rdpipe::tools
