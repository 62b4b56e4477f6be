#include "flood_peer.h"

#include <algorithm>
#include <bit>

namespace rdpipe::tools {
namespace {

constexpr auto kSilence = std::chrono::milliseconds(200);
constexpr std::size_t kMemory = 16;  // windows, in which an answer is known from its double

}  // namespace

FloodPeer::FloodPeer(std::size_t window) : window_(window), open_(std::bit_ceil(window * kMemory)) {}

std::size_t FloodPeer::room(std::chrono::steady_clock::time_point now) {
  if (first_open_ < next_ && now - heard_ > kSilence) first_open_ = next_;
  return window_ - std::min<std::uint64_t>(next_ - first_open_, window_);
}

void FloodPeer::note_sent(std::size_t count, std::chrono::steady_clock::time_point now) {
  if (first_open_ == next_) heard_ = now;
  for (std::size_t i = 0; i < count; ++i) open_[next_++ % open_.size()] = true;
}

bool FloodPeer::note_answer(std::uint64_t sequence, std::chrono::steady_clock::time_point now) {
  const bool known = sequence < next_ && next_ - sequence <= open_.size();
  if (!known) return false;
  if (!open_[sequence % open_.size()]) {
    ++twice_;
    return false;
  }
  open_[sequence % open_.size()] = false;
  ++answered_;
  heard_ = now;
  first_open_ = std::max(first_open_, sequence + 1);
  return true;
}

}  // namespace rdpipe::tools
