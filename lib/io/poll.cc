// The back end where io_uring is not to be had: poll(2) for what can be polled, workers for files.
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <ctime>
#include <utility>
#include <vector>

#include "ground/error.h"
#include "io/backend.h"

namespace rdpipe {
namespace {

class PollBackend final : public Loop::Backend {
 public:
  using Backend::Backend;

  [[nodiscard]] bool uses_uring() const noexcept override { return false; }
  void start(Operation& operation) override;
  void cancel(Operation& operation) override;
  void arm(Watch::State& watch) override;
  void disarm(Watch::State& watch) override { std::erase(armed_, &watch); }
  void collect(Deadline until) override;
  bool register_memory(std::span<std::byte>) override { return false; }

 private:
  void sleep(Deadline until);
  void report_watches(std::span<const pollfd> polled);
  void move_streams(std::span<const pollfd> polled);

  std::vector<Watch::State*> armed_;
  std::vector<Operation*> streams_;  // reads and writes of pipes and the like, performed here once ready
  std::vector<pollfd> polled_;       // the eventfd, then armed_, then streams_
};

// Pipes, sockets and terminals are not for the workers: a thread that sleeps in read(2) cannot be called
// back.
bool is_stream(const struct stat& status) {
  return !S_ISREG(status.st_mode) && !S_ISBLK(status.st_mode) && !S_ISDIR(status.st_mode);
}

// Otherwise poll(2) would wait for ever for what cannot happen.
bool is_open_for(const Request& request) {
  const int mode = ::fcntl(request.fd, F_GETFL) & O_ACCMODE;
  return mode == O_RDWR || mode == (request.kind == Request::Kind::kRead ? O_RDONLY : O_WRONLY);
}

pollfd poll_request(Operation& operation) {
  const Request& request = LoopCompletion::request(operation);
  const short events = request.kind == Request::Kind::kRead ? POLLIN : POLLOUT;
  return {.fd = request.fd, .events = events, .revents = 0};
}

void PollBackend::start(Operation& operation) {
  const Request request = LoopCompletion::request(operation);
  struct stat status;
  if (::fstat(request.fd, &status) != 0) return finish(operation, -errno);
  if (!is_stream(status) || request.kind == Request::Kind::kSync) {
    return run(
        operation, [request] { return perform(request); }, false);
  }
  if (!is_open_for(request)) return finish(operation, -EBADF);
  streams_.push_back(&operation);
}

void PollBackend::cancel(Operation& operation) {
  std::erase(streams_, &operation);
  finish(operation, -ECANCELED);
}

void PollBackend::arm(Watch::State& watch) {
  if (std::find(armed_.begin(), armed_.end(), &watch) == armed_.end()) armed_.push_back(&watch);
}

void PollBackend::collect(Deadline until) {
  if (news) until = Deadline::now();
  if (until == Deadline::now() && armed_.empty() && streams_.empty() && !wakeup->raised()) return;
  polled_.assign(1, {.fd = wakeup->fd(), .events = POLLIN, .revents = 0});
  for (const Watch::State* watch : armed_) {
    polled_.push_back({.fd = watch->fd, .events = watch->wanted, .revents = 0});
  }
  for (Operation* operation : streams_) polled_.push_back(poll_request(*operation));
  sleep(until);
}

void PollBackend::sleep(Deadline until) {
  timespec left{};
  if (!until.is_never()) {
    const Nanoseconds remaining = until.remaining();
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(remaining);
    left.tv_sec = static_cast<time_t>(seconds.count());
    left.tv_nsec = static_cast<long>((remaining - seconds).count());
  }
  const int ready = ::ppoll(polled_.data(), polled_.size(), until.is_never() ? nullptr : &left, nullptr);
  if (ready == -1 && errno == EINTR) return;
  check(ready, Status::kMemory, "poll descriptors");
  if (ready == 0) return;
  const std::span<const pollfd> polled(polled_);
  report_watches(polled.subspan(1, armed_.size()));
  move_streams(polled.last(streams_.size()));
  if (polled[0].revents == 0) return;
  std::uint64_t raised = 0;
  check_long(::read(wakeup->fd(), &raised, sizeof raised), Status::kMemory, "read an eventfd");
  take_wakeup();
}

void PollBackend::report_watches(std::span<const pollfd> polled) {
  for (std::size_t i = 0; i < polled.size(); ++i) {
    if (polled[i].revents != 0) report_ready(*armed_[i], polled[i].revents);
  }
  std::erase_if(armed_, [](const Watch::State* watch) { return watch->wanted == 0; });
}

void PollBackend::move_streams(std::span<const pollfd> polled) {
  std::vector<std::pair<int, short>> tried;  // once it was served, poll's word about a descriptor is stale
  for (std::size_t i = 0; i < polled.size(); ++i) {
    if (polled[i].revents == 0) continue;
    const std::pair key(polled[i].fd, polled[i].events);
    if (std::find(tried.begin(), tried.end(), key) != tried.end()) continue;
    tried.push_back(key);
    if (const auto result = perform_ready(LoopCompletion::request(*streams_[i])))
      finish(*streams_[i], *result);
  }
  std::erase_if(streams_, [](const Operation* operation) { return operation->done(); });
}

}  // namespace

std::unique_ptr<Loop::Backend> open_poll_backend(const LoopOptions& options) {
  return std::make_unique<PollBackend>(options);
}

}  // namespace rdpipe
