#include "check/devices.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "check/sysfs.h"
#include "ground/descriptor.h"

namespace rdpipe {
namespace {

namespace fs = std::filesystem;

// "0000:0000:0000:0000:0000:ffff:0a4d:0001" is 10.77.0.1.
std::string address_of(const std::string& gid) {
  in6_addr ip{};
  if (::inet_pton(AF_INET6, gid.c_str(), &ip) != 1) return {};
  std::array<char, INET6_ADDRSTRLEN> text{};
  const bool v4 = IN6_IS_ADDR_V4MAPPED(&ip);
  const void* bytes = v4 ? &ip.s6_addr[12] : &ip.s6_addr[0];
  return ::inet_ntop(v4 ? AF_INET : AF_INET6, bytes, text.data(), text.size());
}

std::vector<RdmaGid> read_gids(const fs::path& port) {
  std::vector<RdmaGid> gids;
  for (const std::string& index : names_in(port / "gids")) {
    RdmaGid gid;
    gid.index = to_number(index);
    gid.gid = read_line(port / "gids" / index);
    gid.type = read_line(port / "gid_attrs" / "types" / index);
    gid.netdev = read_line(port / "gid_attrs" / "ndevs" / index);
    if (gid.gid.find_first_not_of("0:") == std::string::npos) continue;  // a free entry
    if (gid.type == "RoCE v2") gid.address = address_of(gid.gid);
    gids.push_back(std::move(gid));
  }
  return gids;
}

// Of a card, the interface with the port's number; of a software device, the one below it.
std::string netdev_of(const fs::path& device, const RdmaPort& port) {
  for (const RdmaGid& gid : port.gids) {
    if (!gid.netdev.empty()) return gid.netdev;
  }
  if (std::string parent = read_line(device / "parent"); !parent.empty()) return parent;
  const fs::path nets = device / "device" / "net";
  for (const std::string& name : names_in(nets)) {
    if (to_number(read_line(nets / name / "dev_port")) + 1 == port.number) return name;
  }
  return {};
}

RdmaPort read_port(const KernelRoots& roots, const fs::path& device, const std::string& number) {
  const fs::path path = device / "ports" / number;
  RdmaPort port;
  port.number = to_number(number);
  const std::string state = read_line(path / "state");  // "4: ACTIVE"
  port.state = state.substr(state.find(' ') + 1);
  port.link_layer = read_line(path / "link_layer");
  port.rate = read_line(path / "rate");
  port.gids = read_gids(path);
  port.netdev = netdev_of(device, port);
  if (port.netdev.empty()) return port;
  port.netdev_mtu = to_number(read_line(fs::path(roots.sys) / "class/net" / port.netdev / "mtu"));
  return port;
}

std::string node_of(const KernelRoots& roots, const std::string& device) {
  const fs::path nodes = fs::path(roots.sys) / "class/infiniband_verbs";
  for (const std::string& name : names_in(nodes)) {
    if (read_line(nodes / name / "ibdev") == device) return name;
  }
  return {};
}

int open_error(const fs::path& node) {
  const Descriptor opened(::open(node.c_str(), O_RDWR | O_CLOEXEC));
  return opened ? 0 : errno;
}

}  // namespace

bool RdmaPort::has_roce_address() const {
  return std::ranges::any_of(
      gids, [](const RdmaGid& gid) { return !gid.address.empty() && !gid.address.starts_with("fe80:"); });
}

std::vector<RdmaDevice> read_devices(const KernelRoots& roots) {
  std::vector<RdmaDevice> devices;
  const fs::path all = fs::path(roots.sys) / "class/infiniband";
  for (const std::string& name : names_in(all)) {
    RdmaDevice device;
    device.name = name;
    std::error_code none;
    device.driver = fs::read_symlink(all / name / "device/driver", none).filename();
    if (device.driver.empty() || is_there(all / name / "parent")) device.driver = "software";
    device.iwarp = read_line(all / name / "node_type").ends_with("RNIC");
    device.node = node_of(roots, name);
    if (!device.node.empty())
      device.node_error = open_error(fs::path(roots.dev) / "infiniband" / device.node);
    for (const std::string& port : names_in(all / name / "ports")) {
      device.ports.push_back(read_port(roots, all / name, port));
    }
    devices.push_back(std::move(device));
  }
  return devices;
}

}  // namespace rdpipe
