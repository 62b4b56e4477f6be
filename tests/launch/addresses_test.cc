// Which addresses an end names: its own, each of use elsewhere, in an order that can be told.
#include "launch/addresses.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>

#include "catch.h"
#include "ground/descriptor.h"
#include "launch/greeting.h"

using namespace rdpipe;

namespace {

using Texts = std::vector<std::string>;

struct Address {
  std::string text;  // without a scope
  std::string interface;
  int family = 0;
  bool loopback = false, link_local = false;
};

Address address_of(const ifaddrs& entry) {
  Address address;
  address.interface = entry.ifa_name;
  address.family = entry.ifa_addr->sa_family;
  address.loopback = (entry.ifa_flags & IFF_LOOPBACK) != 0;
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (address.family == AF_INET) {
    ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(entry.ifa_addr)->sin_addr, text.data(),
                text.size());
  } else {
    const in6_addr& bytes = reinterpret_cast<const sockaddr_in6*>(entry.ifa_addr)->sin6_addr;
    ::inet_ntop(AF_INET6, &bytes, text.data(), text.size());
    address.link_local = IN6_IS_ADDR_LINKLOCAL(&bytes);
  }
  address.text = text.data();
  return address;
}

// Of the interfaces that are up.
std::vector<Address> this_hosts() {
  ifaddrs* found = nullptr;
  REQUIRE(::getifaddrs(&found) == 0);
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner(found, &::freeifaddrs);
  std::vector<Address> result;
  for (const ifaddrs* entry = found; entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr || (entry->ifa_flags & IFF_UP) == 0) continue;
    const int family = entry->ifa_addr->sa_family;
    if (family == AF_INET || family == AF_INET6) result.push_back(address_of(*entry));
  }
  return result;
}

Address find(const std::vector<Address>& addresses, const std::string& text) {
  const auto found = std::ranges::find(addresses, text, &Address::text);
  return found == addresses.end() ? Address{} : *found;
}

bool has(const Texts& texts, const std::string& text) {
  return std::ranges::find(texts, text) != texts.end();
}

Texts without(Texts texts, const std::string& text) {
  std::erase(texts, text);
  return texts;
}

bool raise_loopback() {
  const Descriptor socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  return ::ioctl(socket.get(), SIOCSIFFLAGS, &request) == 0;
}

// What a host lists that has nothing but a loopback interface: while that is down, and while it is up. Empty
// where no such host can be made.
std::string lists_of_lonely_host() {
  std::array<int, 2> ends{};
  REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
  const Descriptor from(ends[0]);
  Descriptor to(ends[1]);
  const pid_t child = ::fork();
  REQUIRE(child != -1);
  if (child == 0) {
    if (::unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) ::_exit(1);
    const auto down = own_addresses(AddressFamily::kAny, "");
    if (!raise_loopback()) ::_exit(1);
    const auto up = own_addresses(AddressFamily::kIpv4, "");
    const std::string text = fmt::format("{}|{}", fmt::join(down, ","), fmt::join(up, ","));
    ::_exit(::write(to.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()) ? 0 : 1);
  }
  to.reset();
  std::array<char, 200> bytes{};
  const auto count = ::read(from.get(), bytes.data(), bytes.size());
  REQUIRE(::waitpid(child, nullptr, 0) == child);
  return {bytes.data(), static_cast<std::size_t>(std::max<ssize_t>(count, 0))};
}

}  // namespace

TEST_CASE("this host's addresses are listed, but for those of no use elsewhere") {
  const auto all = this_hosts();
  const auto family = GENERATE(AddressFamily::kAny, AddressFamily::kIpv4, AddressFamily::kIpv6);
  const auto fits = [&](const Address& one) {
    return !one.link_local &&
           (family == AddressFamily::kAny || (one.family == AF_INET) == (family == AddressFamily::kIpv4));
  };
  const bool elsewhere =
      std::ranges::any_of(all, [&](const auto& one) { return fits(one) && !one.loopback; });
  Texts expected;
  for (const Address& one : all) {
    if (fits(one) && one.loopback != elsewhere) expected.push_back(one.text);
  }
  Texts listed = own_addresses(family, "");
  CHECK(listed.size() == std::min(expected.size(), kMaxAddresses));
  for (const std::string& text : listed) CHECK(has(expected, text));
}

TEST_CASE("a loopback address is listed where it is the one that is known") {
  const std::string known = GENERATE("127.0.0.1", "::1");
  CAPTURE(known);
  const auto all = this_hosts();
  REQUIRE(find(all, known).loopback);
  const Texts listed = own_addresses(AddressFamily::kAny, known);
  const Texts usual = own_addresses(AddressFamily::kAny, "");
  CHECK(std::ranges::count(listed, known) == 1);
  CHECK(without(listed, known) == without(usual, known));
  const bool v4 = known == "127.0.0.1";
  CHECK(!has(own_addresses(v4 ? AddressFamily::kIpv6 : AddressFamily::kIpv4, known), known));
}

TEST_CASE("the known address goes before others of its link") {
  const auto all = this_hosts();
  const Texts usual = own_addresses(AddressFamily::kAny, "");
  for (const std::string& known : usual) {
    CAPTURE(known);
    const Texts listed = own_addresses(AddressFamily::kAny, known);
    CHECK(without(listed, known) == without(usual, known));
    const auto same_link = std::ranges::find_if(listed, [&](const std::string& text) {
      return find(all, text).interface == find(all, known).interface;
    });
    REQUIRE(same_link != listed.end());
    CHECK(*same_link == known);
  }
}

TEST_CASE("what is known but not this host's is not listed") {
  const std::string known = GENERATE("db2.example", "0.0.0.0", "fe80::1", "255.255.255.255");
  CHECK(own_addresses(AddressFamily::kAny, known) == own_addresses(AddressFamily::kAny, ""));
}

TEST_CASE("loopback addresses are listed where there are no others, and none of what is down") {
  const std::string lists = lists_of_lonely_host();
  if (lists.empty()) {
    WARN("no network namespace can be made here");
  } else {
    CHECK(lists == "|127.0.0.1");
  }
}
