#include "rdpipe/served_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <utility>

#include "ground/deadline.h"
#include "serve/landlock.h"

namespace rdpipe {
namespace {

constexpr int kMostServedLevel = 6;         // of zstd: 3.5 MiB for each thread, and some 100 MB a second
constexpr std::size_t kLongestText = 4096;  // bytes of what a log gets of a path or a cause

std::string cause_of(const CopyReport& report) {
  if (report.failed > 0) return fmt::format("{} could not be copied", report.failed);
  if (report.vanished > 0) return fmt::format("{} vanished", report.vanished);
  return report.undeleted > 0 ? fmt::format("{} not deleted", report.undeleted) : "";
}

}  // namespace

// The thread's, until it has ended; but for `moved`.
struct ServedClient::Outcome {
  Outcome(const Session& session, ServedOrder its_order, const Options& its_options);

  void confine_thread();
  [[nodiscard]] bool uses_rdma() const { return transfer.fabric == "RDMA"; }
  void begin_thread();
  void carry_out(std::shared_ptr<Loop> loop, std::unique_ptr<Session> session);
  [[nodiscard]] CopyReport copy(Connection connection);
  void fail(const Error& error);

  ServedOrder order;
  Options options;
  ServedTransfer transfer;
  std::vector<std::string> lines;
  std::atomic<std::uint64_t> moved = 0;  // bytes of content, so far; grows
  Clock::time_point began = Clock::now();
  std::mutex confining;
  std::vector<Descriptor> pins;  // of the threads' walls
};

ServedClient::Outcome::Outcome(const Session& session, ServedOrder its_order, const Options& its_options)
    : order(std::move(its_order)), options(its_options) {
  const LinkInfo& info = session.link().info();
  transfer.client = info.peer;
  transfer.key = order.key;
  transfer.sent = order.wanted.sends;
  transfer.dry_run = order.wanted.copy.dry_run;
  transfer.path = order.wanted.paths.front().substr(0, kLongestText);
  transfer.paths = order.wanted.paths.size();
  transfer.fabric = info.fabric == Fabric::kRdma ? "RDMA" : "TCP";
  transfer.device = info.device;
  order.wanted.copy.beneath = order.directory.get();
  order.wanted.copy.progress = [this](const CopyProgress& progress) {
    if (!transfer.dry_run) moved = progress.bytes - progress.found_bytes;
  };
  options.compression = order.wanted.compression;
  options.compression.zstd_level = std::min(options.compression.zstd_level, kMostServedLevel);
  options.interrupt_fd = -1;  // the loop has its own
  options.notice = [this](const std::string& line) { lines.push_back(line); };
}

void ServedClient::Outcome::confine_thread() {
  const bool writes = !order.wanted.sends || order.wanted.copy.remove_source_files;
  Confinement confinement = rdpipe::confine_thread(order.directory.get(), writes);
  const std::lock_guard lock(confining);
  for (Descriptor& pin : confinement.pins) pins.push_back(std::move(pin));
}

// A thread that confines itself has other credentials from then on, and RDMA devices then take nothing from
// it: so there its workers are confined one by one.
void ServedClient::Outcome::begin_thread() {
  if (!uses_rdma()) confine_thread();
}

void ServedClient::Outcome::carry_out(std::shared_ptr<Loop> loop, std::unique_ptr<Session> session) {
  const CopyReport report = copy(Connection::over(std::move(loop), std::move(session), options));
  transfer.files = transfer.dry_run ? 0 : report.files_moved;
  transfer.bytes = transfer.dry_run ? 0 : report.bytes_moved;
  transfer.elapsed = report.elapsed;
  transfer.status = report.status();
  transfer.cause = cause_of(report);
  if (!report.warning.empty()) lines.push_back(report.warning);
  moved = transfer.bytes;
}

CopyReport ServedClient::Outcome::copy(Connection connection) {
  const ServedCopy& wanted = order.wanted;
  if (wanted.sends) return connection.send_tree(wanted.paths, wanted.copy);
  return connection.receive_tree(wanted.paths.front(), wanted.copy);
}

void ServedClient::Outcome::fail(const Error& error) {
  transfer.elapsed = Clock::now() - began;
  transfer.bytes = moved;
  transfer.status = static_cast<int>(error.status());
  transfer.cause = printable(error.what(), kLongestText);
}

ServedClient::ServedClient(Loop& loop, std::unique_ptr<Session>& session, ServedOrder order,
                           const Options& options)
    : outcome_(std::make_unique<Outcome>(*session, std::move(order), options)),
      thread_(
          loop, loop_options(), session, [outcome = outcome_.get()] { outcome->begin_thread(); },
          [outcome = outcome_.get()](std::shared_ptr<Loop> own, std::unique_ptr<Session> taken) {
            outcome->carry_out(std::move(own), std::move(taken));
          }) {}

ServedClient::~ServedClient() = default;

// The loop's own thread looks no name up, whatever for: its workers do. Over RDMA it is held to the server's
// directory alone, and these to the key's.
LoopOptions ServedClient::loop_options() const {
  LoopOptions loop{.use_uring = outcome_->options.use_uring};
  if (outcome_->uses_rdma()) loop.begin_worker = [outcome = outcome_.get()] { outcome->confine_thread(); };
  return loop;
}

std::uint64_t ServedClient::take_moved() {
  const std::uint64_t before = std::exchange(taken_, std::max(taken_, outcome_->moved.load()));
  return taken_ - before;
}

const ServedTransfer& ServedClient::result() {
  if (const auto failure = thread_.failure()) outcome_->fail(*failure);
  return outcome_->transfer;
}

const std::vector<std::string>& ServedClient::lines() const { return outcome_->lines; }

}  // namespace rdpipe
