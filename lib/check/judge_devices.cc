// What is wrong with the RDMA devices of a host, and what to do about it.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "check/devices.h"
#include "ground/error.h"

namespace rdpipe {
namespace {

constexpr unsigned kLargestMtu = 4096;

std::string port_name(const RdmaDevice& device, const RdmaPort& port) {
  return fmt::format("{}/{}", device.name, port.number);
}

Finding judge_no_device(const std::string& wanted) {
  if (!wanted.empty()) {
    return bad(Status::kEndpoint, "device", printable(wanted), "this host has no RDMA device of that name",
               "rdma link show lists those that it has");
  }
  return bad(Status::kEndpoint, "device", "", "this host has no RDMA device",
             "load the adapter's driver; or make a software device: modprobe rdma_rxe; rdma link add rxe0 "
             "type rxe netdev eth0");
}

Finding judge_device(const RdmaDevice& device, const FabricOptions& options) {
  const auto fails = [&](std::string text, std::string remedy) {
    return bad(Status::kEndpoint, "device", device.name, std::move(text), std::move(remedy));
  };
  if (device.node.empty()) {
    return fails("programs cannot reach it: no node of ib_uverbs",
                 "load the kernel's module: modprobe ib_uverbs");
  }
  const std::string node = "/dev/infiniband/" + device.node;
  if (device.node_error == EACCES || device.node_error == EPERM) {
    return fails(fmt::format("{} may not be opened by this user", node),
                 fmt::format("chmod 666 {0}, or have udev do it (rdma-core's rules); in a container let it "
                             "use the device (--device={0})",
                             node));
  }
  if (device.node_error != 0) {
    return fails(fmt::format("{}: {}", node, errno_text(device.node_error)),
                 fmt::format("is udev running? In a container, hand the node in (--device={})", node));
  }
  if (!device.listed) {
    return fails("libibverbs has no driver for it", "install the package ibverbs-providers (rdma-core)");
  }
  if (!device.obstacle.empty()) {
    return fails("libibverbs cannot use it: " + device.obstacle,
                 "dmesg may say why; is rdma-core new enough for the kernel's driver?");
  }
  const std::string text = fmt::format("driver {}, {}", device.driver, node);
  if (device.iwarp && !demands_rdma(options)) {
    return fails(text + "; it is iWARP",
                 "rdpipe uses iWARP only when told to: --fabric=rdma or --device=" + device.name);
  }
  if (device.iwarp) {
    return doubtful("device", device.name, text + "; it is iWARP, which nobody has tried",
                    "use a device of RoCE or InfiniBand where there is one");
  }
  return good("device", device.name, text);
}

std::string remedy_for_state(const RdmaPort& port) {
  if (!port.is_ethernet()) {
    return port.state == "DOWN"
               ? "is the cable in, and is the switch up?"
               : "the fabric's subnet manager has not set it up: is one running (opensm, or in a switch)?";
  }
  if (port.netdev.empty()) return "bring the port's network interface up: ip link set dev NAME up";
  return fmt::format("ip link set dev {} up; if it is up, is the cable in?", port.netdev);
}

std::string port_text(const RdmaPort& port) {
  std::string text = fmt::format("{}, {}", port.state, port.link_layer);
  if (!port.rate.empty()) text += ", " + port.rate;
  if (port.mtu != 0) text += fmt::format(", RDMA MTU {}", port.mtu);
  if (!port.netdev.empty()) text += fmt::format(", interface {} of MTU {}", port.netdev, port.netdev_mtu);
  return text;
}

Finding judge_port(const std::string& name, const RdmaPort& port) {
  if (!port.is_active()) {
    return bad(Status::kEndpoint, "port", name, port_text(port), remedy_for_state(port));
  }
  const bool small = port.is_ethernet() && port.mtu != 0 && port.mtu < kLargestMtu;
  if (!small) return good("port", name, port_text(port));
  const std::string remedy = fmt::format(
      "an Ethernet MTU of 9000 gives packets of 4096 bytes: ip link set dev {} mtu 9000, at both ends and in "
      "the switches",
      port.netdev.empty() ? "NAME" : port.netdev);
  return doubtful("port", name, port_text(port), remedy);
}

Finding judge_addresses(const std::string& name, const RdmaPort& port) {
  constexpr std::size_t kMostShown = 8;
  std::vector<std::string> shown;
  std::size_t addresses = 0;
  for (const RdmaGid& gid : port.gids) {
    if (gid.address.empty() || ++addresses > kMostShown) continue;
    shown.push_back(fmt::format("{} ({})", gid.index, gid.address));
  }
  if (addresses > kMostShown) shown.emplace_back("...");
  const std::string all = fmt::format("{} GIDs", port.gids.size());
  const std::string text = fmt::format("{}, of RoCE v2 {}", all, fmt::join(shown, ", "));
  if (port.has_roce_address()) return good("gids", name, text);
  const std::string remedy =
      fmt::format("give the interface an IP address: ip address add ADDRESS/LENGTH dev {}",
                  port.netdev.empty() ? "NAME" : port.netdev);
  if (addresses > 0) return doubtful("gids", name, text + ": link-local only", remedy);
  return bad(Status::kEndpoint, "gids", name, all + ", none of RoCE v2", remedy);
}

// Connections go by IP addresses, which the ports of InfiniBand have from IPoIB.
Finding tell_of_infiniband(const std::string& name, const RdmaPort& port) {
  return good(
      "gids", name,
      fmt::format("{} GIDs of InfiniBand; connections go by the addresses of IPoIB", port.gids.size()));
}

bool fails(const Finding& finding) { return finding.health == Health::kFail; }

struct Judged {
  Finding device;
  std::vector<Findings> ports;  // of each port, what was found

  // All that a connection takes: the device, and one port of it.
  [[nodiscard]] bool works() const {
    const auto is_good = [](const Findings& port) { return std::ranges::none_of(port, fails); };
    return !fails(device) && std::ranges::any_of(ports, is_good);
  }
};

Judged judge(const RdmaDevice& device, const FabricOptions& options) {
  Judged judged{.device = judge_device(device, options), .ports = {}};
  for (const RdmaPort& port : device.ports) {
    const std::string name = port_name(device, port);
    Findings& found = judged.ports.emplace_back();
    found.push_back(judge_port(name, port));
    if (device.iwarp || (port.gids.empty() && !port.is_active())) continue;
    found.push_back(port.is_ethernet() ? judge_addresses(name, port) : tell_of_infiniband(name, port));
  }
  return judged;
}

void make_warning(Finding& finding) {
  if (!fails(finding)) return;
  finding.health = Health::kWarn;
  finding.status = Status::kOk;
}

}  // namespace

Findings judge_devices(const std::vector<RdmaDevice>& devices, const FabricOptions& options) {
  if (devices.empty()) return {judge_no_device(options.device)};
  Findings findings;
  bool one_works = false;
  for (const RdmaDevice& device : devices) {
    const Judged judged = judge(device, options);
    one_works = one_works || judged.works();
    findings.push_back(judged.device);
    for (const Findings& port : judged.ports) findings.insert(findings.end(), port.begin(), port.end());
  }
  if (one_works) std::ranges::for_each(findings, make_warning);
  return findings;
}

}  // namespace rdpipe
