// rdping --serve: threads that send back what comes, each with an endpoint of its own; this thread answers
// for their names.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <exception>
#include <future>
#include <list>
#include <memory>
#include <optional>
#include <vector>

#include <rdpipe/error.h>

#include "ping_message.h"
#include "ping_thread.h"
#include "ping_work.h"

namespace rdpipe::tools {
namespace {

constexpr std::size_t kBurst = 64;

// Sends `datagrams`, and waits for room where there is none. Returns how many have gone: all, unless the
// thread is told to stop.
std::size_t send_all(Datagram& endpoint, std::span<const OutgoingDatagram> datagrams,
                     const PingThread& thread) {
  std::size_t sent = 0;
  while (sent < datagrams.size() && !thread.stopped()) {
    sent += endpoint.send_burst(datagrams.subspan(sent));
    if (sent < datagrams.size()) static_cast<void>(endpoint.await_room(Deadline::never()));
  }
  return sent;
}

void echo(Datagram& endpoint, const PingThread& thread, std::atomic<std::uint64_t>& echoed) {
  std::array<IncomingDatagram, kBurst> came;
  std::array<OutgoingDatagram, kBurst> answers;
  while (!thread.stopped()) {
    const std::size_t count = endpoint.receive_burst(came, Deadline::never());
    std::size_t requests = 0;
    for (const IncomingDatagram& one : std::span(came).first(count)) {
      if (make_answer(one.payload)) answers[requests++] = {.to = &one.from, .payload = one.payload};
    }
    const std::size_t sent = send_all(endpoint, std::span(answers).first(requests), thread);
    echoed.store(echoed.load(std::memory_order_relaxed) + sent, std::memory_order_relaxed);
  }
}

class PingServer {
 public:
  PingServer(Loop& loop, const PingSettings& settings);

  // Until a signal, or until something fails, which is returned; no thread runs any more then.
  [[nodiscard]] std::exception_ptr run();
  void summarize() const;

 private:
  struct Worker {
    std::promise<DatagramIdentity> made{};
    DatagramIdentity identity{};
    std::atomic<std::uint64_t> echoed{0};
    DatagramCounts counts{};  // once it is over
    std::unique_ptr<PingThread> thread{};
  };
  void start(Worker& worker);
  void work(Worker& worker, Loop& loop, const PingThread& thread) const;
  void serve();
  void stop();
  void publish();
  [[nodiscard]] std::string registered_name(std::size_t index) const;

  Loop& loop_;
  const PingSettings& settings_;
  DevicePort device_;
  std::optional<Registration> registration_;
  std::list<Worker> workers_;
  NameListener listener_;
};

PingServer::PingServer(Loop& loop, const PingSettings& settings)
    : loop_(loop),
      settings_(settings),
      device_(usable_port(fabric_options(settings.connection))),
      listener_(loop, settings.port, fabric_options(settings.connection), device_) {
  if (const std::string url = registry_url(); !url.empty())
    registration_.emplace(loop, url, print_ping_notice);
  for (int i = 0; i < settings.threads; ++i) {
    start(workers_.emplace_back());
    listener_.add(std::to_string(i), workers_.back().identity);
  }
}

void PingServer::start(Worker& worker) {
  auto made = worker.made.get_future();
  worker.thread = std::make_unique<PingThread>(
      [this, &worker](Loop& loop, const PingThread& thread) { work(worker, loop, thread); },
      [this] { loop_.notify(); });
  worker.identity = made.get();
}

void PingServer::work(Worker& worker, Loop& loop, const PingThread& thread) const {
  std::unique_ptr<Datagram> endpoint;
  try {
    endpoint =
        std::make_unique<Datagram>(loop, DatagramOptions{.port = device_, .busy_poll = settings_.busy_poll});
  } catch (...) {
    return worker.made.set_exception(std::current_exception());
  }
  worker.made.set_value(endpoint->identity());
  echo(*endpoint, thread, worker.echoed);
  worker.counts = endpoint->counts();
}

std::string PingServer::registered_name(std::size_t index) const {
  std::string host = settings_.name;
  if (host.empty()) {
    std::array<char, 256> own{};
    if (::gethostname(own.data(), own.size() - 1) == 0) host = own.data();
  }
  return text_of({.peer = {host, std::to_string(listener_.port())}, .name = std::to_string(index)});
}

void PingServer::publish() {
  if (!registration_) return;
  const std::string host = host_of(device_, fabric_options(settings_.connection));
  std::size_t index = 0;
  for (const Worker& worker : workers_) {
    const EndpointName where{.peer = {host, std::to_string(listener_.port())}, .name = std::to_string(index)};
    registration_->add(
        registered_name(index),
        {.where = text_of(where), .queue_pair = worker.identity.queue_pair, .key = worker.identity.key});
    ++index;
  }
}

void PingServer::serve() {
  publish();
  for (;;) {
    listener_.poll();
    for (const Worker& worker : workers_) {
      if (worker.thread->over() && worker.thread->thrown()) std::rethrow_exception(worker.thread->thrown());
    }
    if (registration_) registration_->renew();
    loop_.wait(registration_ ? registration_->next() : Deadline::never());
  }
}

void PingServer::stop() {
  for (Worker& worker : workers_) worker.thread->stop();
  const auto is_over = [](const Worker& worker) { return worker.thread->over(); };
  while (!std::ranges::all_of(workers_, is_over)) loop_.wait();
}

std::exception_ptr PingServer::run() {
  if (!settings_.quiet || settings_.port == "0") {
    print_ping_notice(fmt::format("listening on port {} ({}), {} {}", listener_.port(), device_.device,
                                  workers_.size(), workers_.size() == 1 ? "thread" : "threads"));
  }
  std::exception_ptr failure;
  try {
    serve();
  } catch (const Error& error) {
    if (error.status() != Status::kSignal) failure = std::current_exception();
  }
  registration_.reset();  // before what it names ends
  stop();
  return failure;
}

void PingServer::summarize() const {
  std::uint64_t total = 0;
  std::size_t index = 0;
  DatagramCounts counts;
  for (const Worker& worker : workers_) {
    if (!settings_.quiet) print_out(fmt::format("thread {}: {} answered", index, worker.echoed.load()));
    ++index;
    total += worker.echoed;
    add_trouble(counts, worker.counts);
  }
  if (const std::string trouble = trouble_of(counts); !trouble.empty()) print_out(trouble);
  print_out(fmt::format("total: {} answered, {} names told", total, listener_.answered()));
}

}  // namespace

int serve_pings(const PingSettings& settings, Interrupts& interrupts) {
  Loop loop;
  PingServer server(loop, settings);
  loop.interrupt_on(interrupts.fd(), [&interrupts] { interrupts.throw_if_any(); });
  const std::exception_ptr failure = server.run();
  server.summarize();
  if (failure) std::rethrow_exception(failure);
  return static_cast<int>(Status::kOk);
}

}  // namespace rdpipe::tools
