#include "check/way.h"

#include <arpa/inet.h>

#include <cstring>

#include "catch.h"
#include "check/kernel_tree.h"

using namespace rdpipe;

namespace {

std::vector<RdmaDevice> one_device(const std::string& link_layer = "Ethernet") {
  RdmaDevice device{.name = "rxe0"};
  device.ports.push_back({.number = 1, .state = "ACTIVE", .link_layer = link_layer, .netdev = "v0"});
  return {device};
}

Way way_to(const std::string& port, Answer rdma, Answer tcp = Answer::kNotAsked) {
  Way way;
  way.peer = {"db2", port};
  way.path = {"10.0.0.1", "v0"};
  way.rdma = {.answer = rdma, .cause = "why", .device = "rxe0", .local = "10.0.0.1"};
  way.tcp = {.answer = tcp, .cause = "why"};
  return way;
}

}  // namespace

TEST_CASE("the way: by which device, or by which interface without one") {
  CHECK(
      contains(judge_route(way_to("1", Answer::kRdpipe), one_device()).text, "by device rxe0 from 10.0.0.1"));
  Way way = way_to("1", Answer::kNoWay);
  way.path = {"192.0.2.7", "eth0"};
  way.rdma.status = Status::kEndpoint;
  const Finding elsewhere = judge_route(way, one_device());
  CHECK(elsewhere.health == Health::kFail);
  CHECK(elsewhere.status == Status::kEndpoint);
  CHECK(contains(elsewhere.text, "over interface eth0 from 192.0.2.7"));
  CHECK(contains(elsewhere.remedy, "reached over v0"));
  way.rdma.status = Status::kConnectTimeout;
  CHECK(contains(judge_route(way, one_device()).remedy, "ip neigh"));
  way.rdma = {};
  CHECK(judge_route(way, {}).health == Health::kOk);
  way.path = {};
  CHECK(contains(judge_route(way, {}).text, "no route"));
}

TEST_CASE("over RDMA: silence may be a firewall's, and of InfiniBand it is not") {
  const Finding silent = judge_rdma(way_to("4711", Answer::kSilent), one_device());
  CHECK(silent.status == Status::kConnectTimeout);
  CHECK(contains(silent.remedy, "UDP port 4791"));
  const Finding fabric = judge_rdma(way_to("4711", Answer::kSilent), one_device("InfiniBand"));
  CHECK_FALSE(contains(fabric.remedy, "4791"));
}

TEST_CASE("over RDMA: a refusal is an answer, and enough where no port was named") {
  CHECK(judge_rdma(way_to("", Answer::kRefused), one_device()).health == Health::kOk);
  const Finding nobody = judge_rdma(way_to("4711", Answer::kRefused), one_device());
  CHECK(nobody.status == Status::kConnectTimeout);
  CHECK(contains(nobody.remedy, "rdrecv 4711"));
  CHECK(contains(nobody.remedy, "rdping db2:4711 asks it"));
  const Finding without = judge_rdma(way_to("4711", Answer::kRefused, Answer::kRdpipe), one_device());
  CHECK(contains(without.text, "this listener is not on it"));
}

TEST_CASE("over RDMA: who answers") {
  CHECK(judge_rdma(way_to("4711", Answer::kRdpipe), one_device()).health == Health::kOk);
  CHECK(judge_rdma(way_to("4711", Answer::kStranger), one_device()).health == Health::kFail);
  CHECK(judge_rdma(way_to("", Answer::kStranger), one_device()).health == Health::kOk);
  CHECK(contains(judge_rdma(way_to("4711", Answer::kOtherVersion), one_device()).text, "another version"));
  CHECK(judge_rdma(way_to("4711", Answer::kNotAsked), one_device()).health == Health::kFail);
}

TEST_CASE("over TCP: needed only where RDMA does not work") {
  CHECK(judge_tcp(way_to("4711", Answer::kSilent, Answer::kRdpipe), false).health == Health::kOk);
  const Finding refused = judge_tcp(way_to("4711", Answer::kSilent, Answer::kRefused), false);
  CHECK(refused.health == Health::kFail);
  CHECK(refused.status == Status::kConnectTimeout);
  CHECK(judge_tcp(way_to("4711", Answer::kRdpipe, Answer::kRefused), true).health == Health::kWarn);
  CHECK(contains(judge_tcp(way_to("4711", Answer::kSilent, Answer::kSilent), false).remedy, "TCP port 4711"));
  const Finding unknown = judge_tcp(way_to("", Answer::kRefused), true);
  CHECK(unknown.health == Health::kOk);
  CHECK(contains(unknown.text, "UDP port 4791"));
}

TEST_CASE("the path to this host itself is its own address") {
  SocketAddress here;
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::memcpy(&here.storage, &in, sizeof in);
  here.size = sizeof in;
  const Path path = find_path(here);
  CHECK(path.source == "127.0.0.1");
  CHECK(path.interface == "lo");
}
