#include "datagram/paths.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace rdpipe {

PathCache::Known PathCache::make(const DatagramPath& path) const {
  Known known{.handle = AddressHandle::make(domain_, port_, path)};
  if (!known.handle) known.retry = Deadline::in(std::chrono::seconds(1));
  return known;
}

ibv_ah* PathCache::find(const DatagramPath& path, std::uint64_t send) {
  Known* known = known_.find(path);
  if (known == nullptr) {
    auto put_out = known_.insert(path, make(path));
    if (put_out && put_out->handle) put_out_.push_back(std::move(*put_out));
    known = known_.find(path);
  } else if (!known->handle && known->retry.passed()) {
    *known = make(path);
  }
  known->last_send = send;
  return known->handle ? known->handle->get() : nullptr;
}

void PathCache::release(std::uint64_t below) {
  if (put_out_.empty()) return;
  std::erase_if(put_out_, [below](const Known& known) { return known.last_send < below; });
}

}  // namespace rdpipe
