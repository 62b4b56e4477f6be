#include "launch/addresses.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <memory>

#include "launch/greeting.h"

namespace rdpipe {
namespace {

struct Candidate {
  std::string text;
  long speed = 0;  // Mbit/s; 0: not known
  bool loopback = false;
};

long speed_of(const std::string& interface) {
  std::ifstream file("/sys/class/net/" + interface + "/speed");
  long speed = 0;
  return file >> speed && speed > 0 ? speed : 0;
}

bool is_usable(const ifaddrs& entry, AddressFamily family) {
  if (entry.ifa_addr == nullptr || (entry.ifa_flags & IFF_UP) == 0) return false;
  if (entry.ifa_addr->sa_family == AF_INET) return family != AddressFamily::kIpv6;
  if (entry.ifa_addr->sa_family != AF_INET6 || family == AddressFamily::kIpv4) return false;
  return !IN6_IS_ADDR_LINKLOCAL(&reinterpret_cast<const sockaddr_in6*>(entry.ifa_addr)->sin6_addr);
}

std::string literal(const sockaddr* address) {
  std::array<char, NI_MAXHOST> text{};
  const auto size =
      static_cast<socklen_t>(address->sa_family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6));
  const int result = ::getnameinfo(address, size, text.data(), text.size(), nullptr, 0, NI_NUMERICHOST);
  return result == 0 ? text.data() : "";
}

std::vector<Candidate> candidates(AddressFamily family) {
  ifaddrs* found = nullptr;
  if (::getifaddrs(&found) != 0) return {};
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner(found, &::freeifaddrs);
  std::vector<Candidate> result;
  for (const ifaddrs* entry = found; entry != nullptr; entry = entry->ifa_next) {
    if (!is_usable(*entry, family)) continue;
    const std::string text = literal(entry->ifa_addr);
    if (text.empty()) continue;
    result.push_back({text, speed_of(entry->ifa_name), (entry->ifa_flags & IFF_LOOPBACK) != 0});
  }
  return result;
}

}  // namespace

std::vector<std::string> own_addresses(AddressFamily family, const std::string& known) {
  auto all = candidates(family);
  const bool elsewhere = std::ranges::any_of(all, [](const Candidate& one) { return !one.loopback; });
  std::erase_if(all, [&](const Candidate& one) { return one.loopback && elsewhere && one.text != known; });
  std::ranges::stable_sort(all, [&](const Candidate& a, const Candidate& b) {
    if (a.speed != b.speed) return a.speed > b.speed;
    return a.text == known && b.text != known;
  });
  std::vector<std::string> texts;
  for (const Candidate& one : all) {
    if (texts.size() < kMaxAddresses) texts.push_back(one.text);
  }
  return texts;
}

}  // namespace rdpipe
