#include <arpa/inet.h>

#include <cerrno>
#include <cstring>

#include "catch.h"
#include "ground/error.h"
#include "verbs/connection.h"
#include "verbs/device.h"
#include "verbs/queue.h"

using namespace rdpipe;

// What can be said with and without a device; the rest is tested over links, where there is one.

TEST_CASE("a device that is not there has no addresses") { CHECK(gid_addresses("no such device").empty()); }

TEST_CASE("an event channel opens exactly where rdma_cm is available") {
  if (rdma_cm_unavailable() != 0) {
    CHECK_THROWS_AS(EventChannel(), Error);
  } else {
    EventChannel channel;
    CHECK(channel.fd() >= 0);
    CHECK_FALSE(channel.take());
  }
}

TEST_CASE("an address that is no device's cannot be bound") {
  if (rdma_cm_unavailable() != 0) return;
  EventChannel channel;
  ConnectionId id(channel);
  sockaddr_in elsewhere{};
  elsewhere.sin_family = AF_INET;
  ::inet_pton(AF_INET, "192.0.2.1", &elsewhere.sin_addr);
  CHECK(id.bind(reinterpret_cast<const sockaddr*>(&elsewhere)) != 0);
}

TEST_CASE("every completion has a text") {
  CHECK(completion_text(0) == "success");
  CHECK_FALSE(completion_text(12).empty());
}
