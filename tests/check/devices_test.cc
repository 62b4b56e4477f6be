#include "check/devices.h"

#include <cerrno>

#include "catch.h"
#include "check/kernel_tree.h"

using namespace rdpipe;

namespace {

Status worst(const Findings& findings) {
  for (const Finding& finding : findings) {
    if (finding.health == Health::kFail) return finding.status;
  }
  return Status::kOk;
}

// Whatever is not well has a remedy, of one line, and what is well has none.
void require_remedies(const Findings& findings) {
  for (const Finding& finding : findings) {
    INFO(finding.topic << ' ' << finding.subject << ": " << finding.text);
    CHECK(finding.remedy.empty() == (finding.health == Health::kOk));
    CHECK((finding.status == Status::kOk) == (finding.health != Health::kFail));
    CHECK_FALSE(contains(finding.text + finding.remedy, "\n"));
  }
}

}  // namespace

TEST_CASE("no RDMA in the kernel is no device, and what to do is said") {
  const KernelTree tree;
  const auto devices = read_devices(tree.roots());
  CHECK(devices.empty());
  const Findings findings = judge_devices(devices);
  REQUIRE(findings.size() == 1);
  CHECK(findings[0].status == Status::kEndpoint);
  CHECK(contains(findings[0].remedy, "rdma_rxe"));
  CHECK(contains(judge_devices(devices, {.device = "mlx5_7"})[0].subject, "mlx5_7"));
}

TEST_CASE("a device in software, as the kernel shows it") {
  const KernelTree tree;
  tree.put_rxe();
  auto devices = read_devices(tree.roots());
  REQUIRE(devices.size() == 1);
  CHECK(devices[0].name == "rxe0");
  CHECK(devices[0].driver == "software");
  CHECK(devices[0].node == "uverbs0");
  CHECK(devices[0].node_error == 0);
  CHECK_FALSE(devices[0].iwarp);
  REQUIRE(devices[0].ports.size() == 1);
  RdmaPort& port = devices[0].ports[0];
  CHECK(port.number == 1);
  CHECK(port.is_active());
  CHECK(port.is_ethernet());
  CHECK(port.netdev == "v0");
  CHECK(port.netdev_mtu == 9000);
  REQUIRE(port.gids.size() == 2);  // the free entry is none
  CHECK(port.gids[0].address == "fe80::34f3:6cff:feeb:d0ba");
  CHECK(port.gids[1].address == "10.77.0.1");
  CHECK(port.has_roce_address());
  port.mtu = 4096;
  const Findings findings = judge_devices(devices);
  require_remedies(findings);
  CHECK(worst(findings) == Status::kOk);
  CHECK(contains(about(findings, "gids").text, "1 (10.77.0.1)"));
  for (const Finding& finding : findings) CHECK(finding.health == Health::kOk);
}

TEST_CASE("a card: its driver is named, and of its interfaces the one of the port") {
  const KernelTree tree;
  const std::string device = "sys/class/infiniband/mlx5_0/";
  tree.link(device + "device/driver", "../../../bus/pci/drivers/mlx5_core");
  tree.put(device + "node_type", "1: CA");
  for (const char* port : {"1", "2"}) {
    tree.put(device + "ports/" + port + "/state", "1: DOWN");
    tree.put(device + "ports/" + port + "/link_layer", "Ethernet");
  }
  tree.put(device + "device/net/eth4/dev_port", "0");
  tree.put(device + "device/net/eth5/dev_port", "1");
  const auto devices = read_devices(tree.roots());
  REQUIRE(devices.size() == 1);
  CHECK(devices[0].driver == "mlx5_core");
  REQUIRE(devices[0].ports.size() == 2);
  CHECK(devices[0].ports[0].netdev == "eth4");
  CHECK(devices[0].ports[1].netdev == "eth5");
  const Findings findings = judge_devices(devices);
  require_remedies(findings);
  CHECK(contains(about(findings, "device").remedy, "modprobe ib_uverbs"));
  CHECK(contains(about(findings, "port", "mlx5_0/2").remedy, "ip link set dev eth5 up"));
}

TEST_CASE("a port that is down fails, and is a warning beside one that is up") {
  const KernelTree tree;
  tree.put_rxe();
  tree.put("sys/class/infiniband/rxe0/ports/1/state", "1: DOWN");
  auto devices = read_devices(tree.roots());
  const Finding down = about(judge_devices(devices), "port");
  CHECK(down.health == Health::kFail);
  CHECK(down.status == Status::kEndpoint);
  CHECK(contains(down.text, "DOWN"));
  CHECK(contains(down.remedy, "ip link set dev v0 up"));
  RdmaPort other = devices[0].ports[0];
  other.number = 2;
  other.state = "ACTIVE";
  devices[0].ports.push_back(other);
  const Findings findings = judge_devices(devices);
  require_remedies(findings);
  CHECK(about(findings, "port", "rxe0/1").health == Health::kWarn);
  CHECK(worst(findings) == Status::kOk);
}

TEST_CASE("InfiniBand waits for its subnet manager") {
  RdmaDevice device{.name = "mlx5_0", .driver = "mlx5_core", .node = "uverbs0"};
  device.ports.push_back({.number = 1, .state = "INIT", .link_layer = "InfiniBand"});
  CHECK(contains(about(judge_devices({device}), "port").remedy, "subnet manager"));
  device.ports[0].state = "ACTIVE";
  device.ports[0].gids.push_back({.gid = "fe80:0000:0000:0000:506b:4b03:00d0:1234", .type = "IB/RoCE v1"});
  const Findings findings = judge_devices({device});
  require_remedies(findings);
  CHECK(worst(findings) == Status::kOk);
  CHECK(contains(about(findings, "gids").text, "IPoIB"));
}

TEST_CASE("packets of less than 4096 bytes are worth a warning, on Ethernet") {
  const KernelTree tree;
  tree.put_rxe();
  tree.put("sys/class/net/v0/mtu", "1500");
  auto devices = read_devices(tree.roots());
  devices[0].ports[0].mtu = 1024;
  const Finding port = about(judge_devices(devices), "port");
  CHECK(port.health == Health::kWarn);
  CHECK(contains(port.text, "RDMA MTU 1024, interface v0 of MTU 1500"));
  CHECK(contains(port.remedy, "ip link set dev v0 mtu 9000"));
}

TEST_CASE("an interface without an IP address has no GID that a connection could use") {
  const KernelTree tree;
  tree.put_rxe();
  tree.remove("sys/class/infiniband/rxe0/ports/1/gids/1");
  const Finding local = about(judge_devices(read_devices(tree.roots())), "gids");
  CHECK(local.health == Health::kWarn);
  CHECK(contains(local.remedy, "ip address add"));
  tree.put_gid("rxe0", 0, "fe80:0000:0000:0000:34f3:6cff:feeb:d0ba", "IB/RoCE v1", "v0");
  const Finding old = about(judge_devices(read_devices(tree.roots())), "gids");
  CHECK(old.health == Health::kFail);
  CHECK(contains(old.text, "none of RoCE v2"));
}

TEST_CASE("a node that is not there, may not be opened, or has no driver for programs") {
  const KernelTree tree;
  tree.put_rxe();
  tree.remove("dev/infiniband/uverbs0");
  auto devices = read_devices(tree.roots());
  CHECK(devices[0].node_error == ENOENT);
  CHECK(contains(about(judge_devices(devices), "device").remedy, "--device=/dev/infiniband/uverbs0"));
  devices[0].node_error = EACCES;
  CHECK(contains(about(judge_devices(devices), "device").text, "may not be opened by this user"));
  devices[0].node_error = 0;
  devices[0].obstacle = "Cannot allocate memory";
  CHECK(contains(about(judge_devices(devices), "device").text, "cannot use it: Cannot allocate memory"));
  devices[0].listed = false;
  CHECK(contains(about(judge_devices(devices), "device").remedy, "ibverbs-providers"));
  devices[0].node.clear();
  const Findings findings = judge_devices(devices);
  require_remedies(findings);
  CHECK(contains(about(findings, "device").remedy, "modprobe ib_uverbs"));
}

TEST_CASE("iWARP is used only when told to") {
  const KernelTree tree;
  tree.put_rxe();
  tree.put("sys/class/infiniband/rxe0/node_type", "4: RNIC");
  const auto devices = read_devices(tree.roots());
  const Finding unasked = about(judge_devices(devices), "device");
  CHECK(unasked.health == Health::kFail);
  CHECK(contains(unasked.remedy, "--fabric=rdma"));
  for (const FabricOptions& asked : {FabricOptions{.device = "rxe0"}, {.choice = FabricChoice::kRdma}}) {
    const Findings findings = judge_devices(devices, asked);
    require_remedies(findings);
    CHECK(about(findings, "device").health == Health::kWarn);
    CHECK(worst(findings) == Status::kOk);
  }
}

TEST_CASE("what a connection takes must all be one device's") {
  const KernelTree tree;
  tree.put_rxe();
  const RdmaDevice good = read_devices(tree.roots()).front();
  RdmaDevice closed = good, down = good, iwarp = good, without = good;
  closed.name = "closed";
  closed.node_error = EACCES;
  down.name = "down";
  down.ports[0].state = "DOWN";
  iwarp.name = "iwarp";
  iwarp.iwarp = true;
  without.name = "without";
  without.ports[0].gids = {{.index = 0, .gid = "fe80::1", .type = "IB/RoCE v1"}};
  for (const std::vector<RdmaDevice>& devices : {std::vector{closed, down},
                                                 {iwarp, down},
                                                 {without, down},
                                                 {without, closed},
                                                 {closed, iwarp, without, down}}) {
    CHECK(worst(judge_devices(devices)) == Status::kEndpoint);
  }
  const Findings findings = judge_devices({closed, iwarp, without, down, good});
  require_remedies(findings);
  CHECK(worst(findings) == Status::kOk);
  CHECK(about(findings, "device", "closed").health == Health::kWarn);
  CHECK(about(findings, "port", "down/1").health == Health::kWarn);
  CHECK(about(findings, "gids", "without/1").health == Health::kWarn);
}
