#include "verbs/device.h"

#include <infiniband/verbs.h>
#include <rdma/rdma_cma.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>

namespace rdpipe {
namespace {

struct DeviceList {
  DeviceList() : devices(::ibv_get_device_list(&count)) {}
  DeviceList(const DeviceList&) = delete;
  DeviceList& operator=(const DeviceList&) = delete;
  ~DeviceList() {
    if (devices != nullptr) ::ibv_free_device_list(devices);
  }

  int count = 0;
  ibv_device** devices;
};

struct FreeDomain {
  void operator()(ibv_pd* domain) const { ::ibv_dealloc_pd(domain); }
};

// errno tells what the verbs do not.
OpenDevice open_or_errno(ibv_device* device) {
  errno = 0;
  OpenDevice open(::ibv_open_device(device));
  if (open == nullptr && errno == 0) errno = EIO;
  return open;
}

std::optional<GidAddress> to_address(const ibv_gid_entry& entry) {
  if (entry.gid_type == IBV_GID_TYPE_IB || entry.gid_type == IBV_GID_TYPE_ROCE_V1) return {};
  in6_addr ip{};
  std::memcpy(&ip, entry.gid.raw, sizeof ip);
  GidAddress out;
  out.port = entry.port_num;
  out.index = static_cast<int>(entry.gid_index);
  if (IN6_IS_ADDR_V4MAPPED(&ip)) {
    auto& in = reinterpret_cast<sockaddr_in&>(out.address);
    in.sin_family = AF_INET;
    std::memcpy(&in.sin_addr, entry.gid.raw + 12, sizeof in.sin_addr);
    return out;
  }
  auto& in6 = reinterpret_cast<sockaddr_in6&>(out.address);
  in6.sin6_family = AF_INET6;
  in6.sin6_addr = ip;
  out.link_local = IN6_IS_ADDR_LINKLOCAL(&ip);
  if (out.link_local) in6.sin6_scope_id = entry.ndev_ifindex;
  return out;
}

}  // namespace

void CloseDevice::operator()(ibv_context* context) const { ::ibv_close_device(context); }

OpenDevice open_rdma_device(const std::string& name) {
  const DeviceList list;
  for (int i = 0; list.devices != nullptr && i < list.count; ++i) {
    if (::ibv_get_device_name(list.devices[i]) == name) return open_or_errno(list.devices[i]);
  }
  errno = ENODEV;
  return nullptr;
}

std::vector<std::string> rdma_device_names() {
  const DeviceList list;
  std::vector<std::string> names;
  for (int i = 0; list.devices != nullptr && i < list.count; ++i) {
    names.emplace_back(::ibv_get_device_name(list.devices[i]));
  }
  return names;
}

bool is_iwarp(const std::string& device) {
  const DeviceList list;
  for (int i = 0; list.devices != nullptr && i < list.count; ++i) {
    if (::ibv_get_device_name(list.devices[i]) != device) continue;
    return list.devices[i]->transport_type == IBV_TRANSPORT_IWARP;
  }
  return false;
}

int rdma_cm_unavailable() {
  rdma_event_channel* channel = ::rdma_create_event_channel();
  if (channel == nullptr) return errno;
  ::rdma_destroy_event_channel(channel);
  return 0;
}

std::vector<GidAddress> gid_addresses(const std::string& device) {
  const OpenDevice open = open_rdma_device(device);
  if (open == nullptr) return {};
  constexpr std::size_t kMostEntries = 512;
  std::vector<ibv_gid_entry> entries(kMostEntries);
  const ssize_t count = ::ibv_query_gid_table(open.get(), entries.data(), entries.size(), 0);
  std::vector<GidAddress> out;
  for (std::size_t i = 0; count > 0 && i < static_cast<std::size_t>(count); ++i) {
    if (auto address = to_address(entries[i])) out.push_back(*address);
  }
  return out;
}

unsigned active_mtu(const std::string& device, unsigned port) {
  const OpenDevice open = open_rdma_device(device);
  ibv_port_attr attributes{};
  if (open == nullptr) return 0;
  if (::ibv_query_port(open.get(), static_cast<std::uint8_t>(port), &attributes) != 0) return 0;
  constexpr unsigned kSmallest = 128;  // the enumeration counts its doublings
  return attributes.active_mtu == 0 ? 0 : kSmallest << static_cast<unsigned>(attributes.active_mtu);
}

int try_pinning(const std::string& device, std::size_t bytes) {
  const OpenDevice open = open_rdma_device(device);
  if (open == nullptr) return errno;
  const std::unique_ptr<ibv_pd, FreeDomain> domain(::ibv_alloc_pd(open.get()));
  if (domain == nullptr) return errno;
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return errno;
  const int access = IBV_ACCESS_LOCAL_WRITE;  // the macro asks it of an int
  ibv_mr* region = ::ibv_reg_mr(domain.get(), memory, bytes, access);
  const int error = region == nullptr ? errno : 0;
  if (region != nullptr) ::ibv_dereg_mr(region);
  ::munmap(memory, bytes);
  return error;
}

}  // namespace rdpipe
