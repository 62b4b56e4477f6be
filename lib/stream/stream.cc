#include "stream/stream.h"

#include <fmt/format.h>

#include <utility>

namespace rdpipe {

void ProgressClock::moved() {
  stirred();
  if (!first_) first_ = last_;
}

void ProgressClock::stirred() { last_ = Clock::now(); }

Nanoseconds ProgressClock::elapsed() const { return first_ ? Clock::now() - *first_ : Nanoseconds(0); }

Deadline ProgressClock::stall_deadline() const {
  return stall_limit_.count() == 0 ? Deadline::never() : Deadline::at(last_ + stall_limit_);
}

void ProgressClock::throw_if_stalled(const std::string& peer) const {
  if (!stall_deadline().passed()) return;
  const double seconds = std::chrono::duration<double>(stall_limit_).count();
  throw Error(Status::kTimeout, fmt::format("transfer with {}", peer),
              fmt::format("no data moved for {:g} s", seconds));
}

bool QuietWork::is_news(std::uint64_t done, ProgressClock& clock) {
  if (std::exchange(done_, done) != done) {
    clock.stirred();
    untold_ = true;
  }
  if (!untold_ || !quiet_.passed()) return false;
  told();
  return true;
}

void QuietWork::told() {
  constexpr Nanoseconds kSayEvery = std::chrono::milliseconds(200);  // less than jobs take to wake a loop
  untold_ = false;
  quiet_ = Deadline::in(kSayEvery);
}

StreamProgress progress_of(Session& session) {
  const LinkInfo& info = session.link().info();
  StreamProgress progress;
  progress.total = session.terms().size;
  progress.fabric = fabric_name(info.fabric);
  progress.device = info.device;
  progress.peer = session.terms().peer_host;
  progress.sealed = session.terms().sealed;
  progress.retries = session.link().retries();
  return progress;
}

StreamDigests::StreamDigests(const Terms& terms, const StreamOptions& options) {
  if (terms.digest && terms.content == Content::kStream) {
    known_root_ = options.root;
    if (!known_root_) root_.emplace();
  }
  if (!options.hash.empty()) hash_.emplace(options.hash);
}

void StreamDigests::add(std::span<const std::byte> bytes, std::span<const Digest128> leaves) {
  if (root_) root_->add(bytes, leaves);
  if (hash_) hash_->add(bytes);
}

void StreamDigests::add_zeros(std::uint64_t count) {
  if (root_) root_->add_zeros(count);
  if (hash_) hash_->add_zeros(count);
}

std::optional<Digest128> StreamDigests::root() const {
  if (known_root_) return known_root_();
  if (!root_) return {};
  return root_->root();
}

void StreamDigests::finish(StreamResult& result) {
  result.root = root();
  if (hash_) result.hash = hash_->finish();
}

}  // namespace rdpipe
