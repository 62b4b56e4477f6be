#include "session/throttle.h"

#include <arpa/inet.h>

#include <algorithm>
#include <iterator>

namespace rdpipe {

std::string source_of(std::string_view peer) {
  const auto colon = peer.rfind(':');
  std::string_view host = peer.substr(0, colon);
  if (!host.starts_with('[') || !host.ends_with(']')) return std::string(host);
  host = host.substr(1, host.size() - 2);
  const auto percent = host.find('%');
  const std::string_view zone = percent == host.npos ? "" : host.substr(percent);
  in6_addr address{};
  if (::inet_pton(AF_INET6, std::string(host.substr(0, percent)).c_str(), &address) != 1)
    return std::string(host);
  std::fill(std::begin(address.s6_addr) + 8, std::end(address.s6_addr), std::uint8_t{0});
  char text[INET6_ADDRSTRLEN] = "";
  ::inet_ntop(AF_INET6, &address, text, sizeof text);
  return std::string(text).append(zone);
}

void Throttle::charge(const std::string& source, Clock::time_point now) {
  const auto found = by_name_.find(source);
  if (found != by_name_.end()) {
    sources_.splice(sources_.begin(), sources_, found->second);
  } else {
    sources_.push_front({source, now});
    by_name_.emplace(sources_.front().name, sources_.begin());
  }
  Clock::time_point& full = sources_.front().full;
  full = std::min(std::max(full, now) + kRefill, now + (kBurst - 1) * kRefill + kLongestWait);
  if (sources_.size() <= kSources) return;
  by_name_.erase(sources_.back().name);
  sources_.pop_back();
}

// When one is in the bucket.
Deadline Throttle::answers(const std::string& source) const {
  const auto found = by_name_.find(source);
  return found == by_name_.end() ? Deadline::now()
                                 : Deadline::at(found->second->full - (kBurst - 1) * kRefill);
}

}  // namespace rdpipe
