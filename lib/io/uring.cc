// The io_uring back end: everything a loop waits for is a request in one ring, so that one system call
// submits what is new, sleeps, and collects what is done.
#include <liburing.h>
#include <poll.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <deque>
#include <initializer_list>
#include <vector>

#include "ground/error.h"
#include "io/backend.h"

namespace rdpipe {
namespace {

// A request's user_data is the address of what it is for, and in the low bits what that is. The address
// cannot dangle: an operation or a watch is not destroyed before its request has completed.
constexpr std::uint64_t kNobody = 0;  // the outcome of a cancel: the request's own tells
constexpr std::uint64_t kWakeup = 1;
constexpr std::uint64_t kWatchBit = 2;
static_assert(alignof(Operation) >= 4 && alignof(Watch::State) >= 4);

std::uint64_t tag(const Operation& operation) { return reinterpret_cast<std::uintptr_t>(&operation); }
std::uint64_t tag(const Watch::State& watch) { return reinterpret_cast<std::uintptr_t>(&watch) | kWatchBit; }

struct Exit {
  void operator()(io_uring* ring) const {
    ::io_uring_queue_exit(ring);
    delete ring;
  }
};
using Ring = std::unique_ptr<io_uring, Exit>;

Ring open_ring(unsigned entries) {
  // From what Linux 6.1 has to what 5.13 has. With DEFER_TASKRUN completions are made when we ask, in one go;
  // with COOP_TASKRUN at our next system call; else by interrupting us.
  constexpr unsigned kOld = IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE;
  constexpr unsigned kNewer = kOld | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_TASKRUN_FLAG;
  for (const unsigned flags : {kNewer | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
                               kNewer | IORING_SETUP_COOP_TASKRUN, kOld}) {
    io_uring_params params{};
    params.flags = flags;
    params.cq_entries = 4 * entries;
    auto ring = std::make_unique<io_uring>();
    const int error = ::io_uring_queue_init_params(entries, ring.get(), &params);
    if (error == -EINVAL) continue;
    if (error < 0) return nullptr;
    return Ring(ring.release());
  }
  return nullptr;
}

class UringBackend final : public Loop::Backend {
 public:
  UringBackend(const LoopOptions& options, Ring ring)
      : Backend(options), depth_(options.queue_depth), ring_(std::move(ring)) {}
  ~UringBackend() override;

  [[nodiscard]] bool uses_uring() const noexcept override { return true; }
  void start(Operation& operation) override;
  void cancel(Operation& operation) override;
  void arm(Watch::State& watch) override;
  void disarm(Watch::State& watch) override;
  void collect(Deadline until) override;
  bool register_memory(std::span<std::byte> memory) override;

 private:
  io_uring_sqe& next_entry();
  void issue(Operation& operation);
  void ask(Watch::State& watch);
  void listen_for_wakeup();
  void prepare();  // turns all that waits into entries of the submission queue
  template <typename Pending>
  void withdraw(std::uint64_t user_data, Pending pending);

  [[nodiscard]] bool kernel_has_news() const;
  void enter(Deadline until);
  void accept_submission(int result) const;
  void reap();
  void deliver(const io_uring_cqe& completion);
  void deliver_operation(Operation& operation, int result);
  void deliver_watch(Watch::State& watch, int result);
  [[nodiscard]] bool is_registered(const Request& request) const;

  const unsigned depth_;
  unsigned flying_ = 0;  // operations that have an entry and no completion yet
  std::deque<Operation*> waiting_;
  const Operation* cancelled_ = nullptr;  // -EINTR is its end; any other is tried again
  std::vector<Watch::State*> changed_;
  std::span<std::byte> registered_;
  std::uint64_t raised_ = 0;  // where the eventfd is read to
  bool listening_ = false;
  Ring ring_;
};

UringBackend::~UringBackend() {
  if (listening_) withdraw(kWakeup, [this] { return listening_; });
}

void UringBackend::start(Operation& operation) {
  if (flying_ < depth_ && waiting_.empty()) {
    issue(operation);
  } else {
    waiting_.push_back(&operation);
  }
}

io_uring_sqe& UringBackend::next_entry() {
  io_uring_sqe* entry;
  while ((entry = ::io_uring_get_sqe(ring_.get())) == nullptr) {
    enter(Deadline::now());
    reap();
  }
  return *entry;
}

bool UringBackend::is_registered(const Request& request) const {
  const auto begin = reinterpret_cast<std::uintptr_t>(registered_.data());
  const auto data = reinterpret_cast<std::uintptr_t>(request.data);
  if (registered_.empty() || data < begin || data - begin > registered_.size()) return false;
  return request.size <= registered_.size() - (data - begin);
}

void UringBackend::issue(Operation& operation) {
  const Request& request = LoopCompletion::request(operation);
  const auto size = static_cast<unsigned>(std::min(request.size, kMaxTransfer));
  const bool fixed = is_registered(request);
  io_uring_sqe& entry = next_entry();
  switch (request.kind) {
    case Request::Kind::kRead:
      ::io_uring_prep_rw(fixed ? IORING_OP_READ_FIXED : IORING_OP_READ, &entry, request.fd, request.data,
                         size, request.offset);
      break;
    case Request::Kind::kWrite:
      ::io_uring_prep_rw(fixed ? IORING_OP_WRITE_FIXED : IORING_OP_WRITE, &entry, request.fd, request.data,
                         size, request.offset);
      break;
    case Request::Kind::kSync:
      ::io_uring_prep_fsync(&entry, request.fd, IORING_FSYNC_DATASYNC);
      break;
  }
  ::io_uring_sqe_set_data64(&entry, tag(operation));
  ++flying_;
}

void UringBackend::ask(Watch::State& watch) {
  io_uring_sqe& entry = next_entry();  // first, as it may collect completions, this watch's among them
  const auto events = static_cast<unsigned>(watch.wanted);
  watch.changed = false;
  if (watch.asked == watch.wanted) {
    ::io_uring_prep_nop(&entry);
    ::io_uring_sqe_set_data64(&entry, kNobody);
  } else if (watch.asked == 0) {
    ::io_uring_prep_poll_add(&entry, watch.fd, events);
    ::io_uring_sqe_set_data64(&entry, tag(watch));
    watch.asked = watch.wanted;
  } else {
    // Called back, and asked anew when that is reported. From Linux 5.19 to 6.18 a poll that is updated in
    // place never completes if what it now asks for is there already.
    ::io_uring_prep_cancel64(&entry, tag(watch), 0);
    ::io_uring_sqe_set_data64(&entry, kNobody);
  }
}

void UringBackend::listen_for_wakeup() {
  io_uring_sqe& entry = next_entry();
  ::io_uring_prep_read(&entry, wakeup->fd(), &raised_, sizeof raised_, 0);
  ::io_uring_sqe_set_data64(&entry, kWakeup);
  listening_ = true;
}

void UringBackend::prepare() {
  if (!listening_) listen_for_wakeup();
  while (!changed_.empty()) {
    Watch::State& watch = *changed_.back();
    changed_.pop_back();
    ask(watch);
  }
  while (flying_ < depth_ && !waiting_.empty()) {
    Operation& operation = *waiting_.front();
    waiting_.pop_front();
    issue(operation);
  }
}

void UringBackend::cancel(Operation& operation) {
  if (std::erase(waiting_, &operation) > 0) return finish(operation, -ECANCELED);
  cancelled_ = &operation;
  withdraw(tag(operation), [&] { return operation.pending(); });
  cancelled_ = nullptr;
}

void UringBackend::arm(Watch::State& watch) {
  if (!watch.changed) changed_.push_back(&watch);
  watch.changed = true;
}

void UringBackend::disarm(Watch::State& watch) {
  watch.wanted = 0;
  if (watch.changed) std::erase(changed_, &watch);
  watch.changed = false;
  if (watch.asked != 0) withdraw(tag(watch), [&] { return watch.asked != 0; });
}

// Cancels a request and collects completions until its own is among them. A request on its way from one
// state to another in the kernel can be missed by a cancel, hence the repetition.
template <typename Pending>
void UringBackend::withdraw(std::uint64_t user_data, Pending pending) {
  while (pending()) {
    io_uring_sqe& entry = next_entry();
    ::io_uring_prep_cancel64(&entry, user_data, 0);
    ::io_uring_sqe_set_data64(&entry, kNobody);
    const Deadline repeat = Deadline::in(std::chrono::milliseconds(20));
    do {
      enter(repeat);
      reap();
    } while (pending() && !repeat.passed());
  }
}

void UringBackend::collect(Deadline until) {
  reap();
  prepare();
  if (news) until = Deadline::now();
  if (until != Deadline::now() || ::io_uring_sq_ready(ring_.get()) > 0 || kernel_has_news()) enter(until);
  reap();
}

// True when completions will be there once we enter the kernel.
bool UringBackend::kernel_has_news() const {
  const unsigned flags = IO_URING_READ_ONCE(*ring_->sq.kflags);
  return (flags & (IORING_SQ_CQ_OVERFLOW | IORING_SQ_TASKRUN)) != 0;
}

// One system call: submits, runs what the kernel has deferred, and sleeps until there is a completion or
// `until` has passed.
void UringBackend::enter(Deadline until) {
  const Nanoseconds left = until.is_never() ? Nanoseconds::max() : until.remaining();
  if (left.count() == 0) return accept_submission(::io_uring_submit_and_get_events(ring_.get()));
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
  __kernel_timespec span{.tv_sec = seconds.count(), .tv_nsec = (left - seconds).count()};
  io_uring_cqe* first = nullptr;
  accept_submission(::io_uring_submit_and_wait_timeout(ring_.get(), &first, 1,
                                                       until.is_never() ? nullptr : &span, nullptr));
}

// Interrupted, out of time, or the completion queue is to be emptied first: nothing is lost, what was not
// submitted will be next time.
void UringBackend::accept_submission(int result) const {
  if (result == -EINTR || result == -ETIME || result == -EAGAIN || result == -EBUSY) return;
  check_negative(result, Status::kMemory, "enter io_uring");
}

void UringBackend::reap() {
  io_uring_cqe* completion;
  unsigned head;
  unsigned count = 0;
  io_uring_for_each_cqe(ring_.get(), head, completion) {
    deliver(*completion);
    ++count;
  }
  ::io_uring_cq_advance(ring_.get(), count);
}

void UringBackend::deliver(const io_uring_cqe& completion) {
  const std::uint64_t user_data = completion.user_data;
  void* const address = ::io_uring_cqe_get_data(&completion);
  if (user_data == kNobody) return;
  if (user_data == kWakeup) {
    listening_ = false;
    if (completion.res > 0) take_wakeup();
  } else if ((user_data & kWatchBit) != 0) {
    void* const watch = static_cast<std::byte*>(address) - kWatchBit;
    deliver_watch(*static_cast<Watch::State*>(watch), completion.res);
  } else {
    deliver_operation(*static_cast<Operation*>(address), completion.res);
  }
}

void UringBackend::deliver_operation(Operation& operation, int result) {
  --flying_;
  if (result == -EINTR && &operation != cancelled_) {
    waiting_.push_front(&operation);
  } else {
    finish(operation, result);
  }
}

void UringBackend::deliver_watch(Watch::State& watch, int result) {
  watch.asked = 0;
  if (watch.wanted == 0) return;  // being disarmed
  if (result == -ECANCELED) return arm(watch);
  report_ready(watch, result < 0 ? static_cast<short>(POLLNVAL) : static_cast<short>(result));
}

bool UringBackend::register_memory(std::span<std::byte> memory) {
  if (::io_uring_sq_ready(ring_.get()) > 0) enter(Deadline::now());  // entries name the range before
  if (!registered_.empty()) ::io_uring_unregister_buffers(ring_.get());
  registered_ = {};
  if (memory.empty()) return true;
  const iovec range{memory.data(), memory.size()};
  if (::io_uring_register_buffers(ring_.get(), &range, 1) < 0) return false;
  registered_ = memory;
  return true;
}

bool has_features(const io_uring& ring) {
  // The last one stands for Linux 5.13, before which polls were young; the others are named for what they do.
  constexpr unsigned kNeeded =
      IORING_FEAT_NODROP | IORING_FEAT_RW_CUR_POS | IORING_FEAT_EXT_ARG | IORING_FEAT_RSRC_TAGS;
  return (ring.features & kNeeded) == kNeeded;
}

}  // namespace

std::unique_ptr<Loop::Backend> open_uring_backend(const LoopOptions& options) {
  assert(options.queue_depth >= 1);
  auto ring = open_ring(options.queue_depth);
  if (!ring || !has_features(*ring)) return nullptr;
  return std::make_unique<UringBackend>(options, std::move(ring));
}

}  // namespace rdpipe
