#include "datagram/paths.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "ground/await_ready.h"
#include "ground/error.h"

namespace rdpipe {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr unsigned kThreads = 4;
constexpr std::size_t kMostUnderWay = 16;
constexpr auto kPatience = milliseconds(250);  // for a neighbour that is known, or answers
constexpr auto kAfterWaitInVain = 10 * kPatience;
constexpr Nanoseconds kPause = seconds(1), kLongestPause = seconds(16);

// Sleeps until it is raised, and lowers it. False when it was not by `deadline`.
bool await(Wakeup& wakeup, Deadline deadline) {
  std::uint64_t count = 0;
  if (await_ready(wakeup.fd(), POLLIN, deadline) == 0) return false;
  if (::read(wakeup.fd(), &count, sizeof count) != sizeof count) return false;
  wakeup.lower();
  return true;
}

}  // namespace

PathCache::PathCache(Make make, std::size_t limit)
    : make_(std::move(make)), known_(limit), workers_(kThreads, finished_, {}) {}

PathCache::~PathCache() {
  for (const Making& making : under_way_) static_cast<void>(workers_.withdraw(*making.job));
}

ibv_ah* PathCache::find(const DatagramPath& path, std::uint64_t send) {
  if (finished_->raised()) learn(Deadline::now());
  Known* known = known_.find(path);
  if (known == nullptr) {
    begin(path);
    wait_for(path);
    known = known_.find(path);
  } else if (!known->handle && known->retry.passed()) {
    begin(path);
  }
  if (known == nullptr || !known->handle) return nullptr;
  known->last_send = send;
  return known->handle->get();
}

bool PathCache::is_under_way(const DatagramPath& path) const {
  return std::ranges::find(under_way_, path, &Making::path) != under_way_.end();
}

void PathCache::begin(const DatagramPath& path) {
  if (under_way_.size() == kMostUnderWay || is_under_way(path)) return;
  Making& making = under_way_.emplace_back(path);
  making.job->work = [this, &making]() -> std::int64_t {
    making.made = make_(making.path);
    return 0;
  };
  try {
    workers_.start(making.job);
  } catch (const Error&) {  // no thread can be had
    keep(path, make_(path));
    under_way_.pop_back();
  }
}

void PathCache::wait_for(const DatagramPath& path) {
  if (!wait_again_.passed()) return;
  const Deadline deadline = Deadline::in(kPatience);
  while (is_under_way(path)) {
    if (deadline.passed()) {
      wait_again_ = Deadline::in(kAfterWaitInVain);
      return;
    }
    learn(deadline);
  }
}

void PathCache::learn(Deadline deadline) {
  if (!await(*finished_, deadline)) return;
  for (const std::shared_ptr<Job>& job : workers_.take_finished()) {
    const auto making = std::ranges::find(under_way_, job, &Making::job);
    keep(making->path, std::move(making->made));
    under_way_.erase(making);
  }
}

void PathCache::keep(const DatagramPath& path, std::optional<AddressHandle> made) {
  Known* known = known_.find(path);
  if (known == nullptr) {
    auto put_out = known_.insert(path, {});
    if (put_out && put_out->handle) put_out_.push_back(std::move(*put_out));
    known = known_.find(path);
  }
  known->handle = std::move(made);
  known->pause = std::clamp(2 * known->pause, kPause, kLongestPause);
  known->retry = Deadline::in(known->pause);
}

void PathCache::release(std::uint64_t below) {
  if (put_out_.empty()) return;
  std::erase_if(put_out_, [below](const Known& known) { return known.last_send < below; });
}

}  // namespace rdpipe
