// rdping HOST: a message now and then, and how long its answer took.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <random>
#include <unordered_map>
#include <vector>

#include <rdpipe/error.h>

#include "ping_message.h"
#include "ping_work.h"
#include "round_trips.h"

namespace rdpipe::tools {
namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;

constexpr nanoseconds kLinger = seconds(1);  // for an answer, where the interval is 0
constexpr nanoseconds kLongestLinger = seconds(10);
constexpr std::uint64_t kRemembered = 65536;  // messages; an answer that comes after so many others is lost

double milliseconds_of(nanoseconds time) { return std::chrono::duration<double, std::milli>(time).count(); }

class Pinger {
 public:
  Pinger(Loop& loop, const PingSettings& settings);

  void run();
  [[nodiscard]] std::uint64_t sent() const noexcept { return sent_; }
  [[nodiscard]] int summarize() const;

 private:
  [[nodiscard]] Deadline until(nanoseconds span) const { return Deadline::in(span).earlier(end_); }
  [[nodiscard]] bool ask();
  void start_echo(const FoundEndpoint& found);
  Clock::time_point send();
  void receive_until(Deadline deadline);
  [[nodiscard]] nanoseconds linger() const;
  void take_answers(Deadline deadline);
  void note(std::uint64_t sequence, nanoseconds time, std::size_t bytes);  // 0: a refusal

  Loop& loop_;
  const PingSettings& settings_;
  EndpointName name_;
  Clock::time_point began_ = Clock::now();
  Deadline end_;
  std::optional<NameServer> server_;
  std::unique_ptr<Datagram> endpoint_;  // once an rdping --serve was found
  DatagramAddress to_;
  bool told_ = false;  // that nobody serves there
  std::uint32_t session_ = std::random_device{}();
  std::vector<std::byte> message_;
  std::array<IncomingDatagram, 64> came_{};  // of one call
  std::unordered_map<std::uint64_t, Clock::time_point> under_way_;
  std::uint64_t sent_ = 0;
  RoundTrips times_;
};

Pinger::Pinger(Loop& loop, const PingSettings& settings)
    : loop_(loop),
      settings_(settings),
      name_(parse_endpoint_name(settings.hosts.front())),
      end_(end_after(settings.deadline.value_or(nanoseconds(0)))),
      message_(settings.size) {
  const Deadline deadline = until(settings_.connection.connect_timeout);
  const FabricOptions fabric = fabric_options(settings_.connection);
  if (registry_url().empty()) {
    server_.emplace(loop_, name_.peer, fabric, deadline);
  } else {
    start_echo(find_named(loop_, name_, fabric, deadline));
  }
}

void Pinger::start_echo(const FoundEndpoint& found) {
  endpoint_ = std::make_unique<Datagram>(
      loop_,
      DatagramOptions{.port = found.port, .max_payload = settings_.size, .busy_poll = settings_.busy_poll});
  const std::size_t most = std::min(found.max_payload, endpoint_->max_payload());
  if (settings_.size > most) {
    throw Error(Status::kUsage, "option --size", fmt::format("a packet there holds {} bytes", most));
  }
  to_ = found.address;
  if (settings_.quiet) return;
  print_out(fmt::format("RDPING {} over {}: {} bytes", text_of(name_), found.port.device, settings_.size));
}

// A host that is down does not even tell its hardware address. What else keeps a question from being asked is
// an error for the first one, and a loss later on.
bool is_silence(const FoundEndpoint& found) {
  return found.outcome == Asked::kNoRoute && found.cause == std::strerror(ETIMEDOUT);
}

// Whoever serves there is found at once; otherwise the question itself is what is timed. True when an answer
// came.
bool Pinger::ask() {
  ++sent_;
  const FoundEndpoint found =
      server_->ask(name_.name, until(std::max<nanoseconds>(settings_.interval, kLinger)));
  if (found.outcome == Asked::kFound) {
    --sent_;
    start_echo(found);
    return false;
  }
  if (found.outcome == Asked::kNoRoute && sent_ == 1 && !is_silence(found)) {
    --sent_;
    throw Error(Status::kEndpoint, "reach " + text_of(name_) + " over RDMA", found.cause);
  }
  if (!found.answered()) return false;
  if (!told_) {
    print_ping_notice(found.outcome == Asked::kNoOne
                          ? "no rdping --serve there: these are the times of refused requests"
                          : found.cause + ": these are the times of refused requests");
  }
  told_ = true;
  note(sent_, found.round_trip, 0);
  return true;
}

void Pinger::note(std::uint64_t sequence, nanoseconds time, std::size_t bytes) {
  times_.add(time);
  if (settings_.quiet) return;
  const std::string what = bytes == 0 ? "refused by" : fmt::format("{} bytes from", bytes);
  print_out(
      fmt::format("{} {}: seq={} time={:.3f} ms", what, name_.peer.host, sequence, milliseconds_of(time)));
}

// Reading the clock may take as long as a datagram: it is read when one goes and when one has come.
Clock::time_point Pinger::send() {
  write_request(message_, {.session = session_, .peer = 0, .sequence = ++sent_});
  const OutgoingDatagram datagram{.to = &to_, .payload = message_};
  const auto now = Clock::now();
  if (endpoint_->send_burst({&datagram, 1}) == 0) {
    static_cast<void>(endpoint_->await_room(until(kLinger)));
    static_cast<void>(endpoint_->send_burst({&datagram, 1}));
  }
  under_way_.emplace(sent_, now);  // noted while the message is on its way
  if (sent_ > kRemembered) under_way_.erase(sent_ - kRemembered);
  return now;
}

void Pinger::take_answers(Deadline deadline) {
  const std::size_t count = endpoint_->receive_burst(came_, deadline);
  if (count == 0) return;
  const auto now = Clock::now();
  for (const IncomingDatagram& one : std::span(came_).first(count)) {
    const auto answer = read_answer(one.payload);
    if (!answer || answer->session != session_) continue;
    const auto sent = under_way_.find(answer->sequence);
    if (sent == under_way_.end()) continue;  // it came twice
    const nanoseconds time = now - sent->second;
    under_way_.erase(sent);
    note(answer->sequence, time, one.payload.size());
  }
}

// Ends early when all have been answered after the last message, and with an interval of 0 when this one has.
// Whatever comes, and however soon, the time and the signals are looked at.
void Pinger::receive_until(Deadline deadline) {
  const bool last = sent_ == settings_.count, at_once = settings_.interval.count() == 0;
  const auto is_done = [&] { return last ? under_way_.empty() : at_once && !under_way_.contains(sent_); };
  while (!is_done()) {
    take_answers(deadline);
    loop_.poll();
    if (deadline.passed()) return;
  }
}

// For the answers to the last.
nanoseconds Pinger::linger() const {
  return times_.count() == 0 ? kLongestLinger : std::clamp(2 * times_.greatest(), kLinger, kLongestLinger);
}

void Pinger::run() {
  for (auto next = began_; !end_.passed() && (settings_.count == 0 || sent_ < settings_.count);) {
    auto sent = Clock::now();
    const bool answered = !endpoint_ && ask();
    if (endpoint_) sent = send();
    const bool last = sent_ == settings_.count, at_once = settings_.interval.count() == 0;
    next = std::max(next + settings_.interval, sent);
    const auto limit = last ? sent + linger() : at_once ? sent + kLinger : next;
    const Deadline deadline = Deadline::at(limit).earlier(end_);
    if (endpoint_) {
      receive_until(deadline);
    } else {
      while (!last && !(at_once && answered) && !deadline.passed()) loop_.wait(deadline);
    }
  }
}

int Pinger::summarize() const {
  const std::uint64_t answered = times_.count();
  const double lost =
      sent_ == 0 ? 0 : 100.0 * static_cast<double>(sent_ - answered) / static_cast<double>(sent_);
  print_out(fmt::format("--- {} ---", text_of(name_)));
  print_out(fmt::format("{} sent, {} answered, {:.3g}% lost, {:.0f} ms", sent_, answered, lost,
                        milliseconds_of(Clock::now() - began_)));
  const std::string trouble = endpoint_ ? trouble_of(endpoint_->counts()) : "";
  if (!trouble.empty()) print_out(trouble);
  if (answered == 0) return static_cast<int>(Status::kTimeout);
  print_out(fmt::format("round trip min/median/p99/max = {:.3f}/{:.3f}/{:.3f}/{:.3f} ms",
                        milliseconds_of(times_.least()), milliseconds_of(times_.quantile(0.5)),
                        milliseconds_of(times_.quantile(0.99)), milliseconds_of(times_.greatest())));
  return static_cast<int>(Status::kOk);
}

}  // namespace

int ping(const PingSettings& settings, Interrupts& interrupts) {
  Loop loop;
  loop.interrupt_on(interrupts.fd(), [&interrupts] { interrupts.throw_if_any(); });
  Pinger pinger(loop, settings);
  try {
    pinger.run();
  } catch (const Error& error) {
    if (pinger.sent() == 0) throw;
    if (error.status() == Status::kSignal) return pinger.summarize();
    static_cast<void>(pinger.summarize());
    throw;
  }
  return pinger.summarize();
}

}  // namespace rdpipe::tools
