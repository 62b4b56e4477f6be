#include "verbs/device.h"

#include <infiniband/verbs.h>
#include <rdma/rdma_cma.h>

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

std::optional<GidAddress> to_address(const ibv_gid_entry& entry) {
  if (entry.gid_type == IBV_GID_TYPE_IB || entry.gid_type == IBV_GID_TYPE_ROCE_V1) return {};
  in6_addr ip{};
  std::memcpy(&ip, entry.gid.raw, sizeof ip);
  GidAddress out;
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

ibv_context* open_rdma_device(const std::string& name) {
  const DeviceList list;
  for (int i = 0; list.devices != nullptr && i < list.count; ++i) {
    if (::ibv_get_device_name(list.devices[i]) == name) return ::ibv_open_device(list.devices[i]);
  }
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
  const std::unique_ptr<ibv_context, int (*)(ibv_context*)> open(open_rdma_device(device),
                                                                 ::ibv_close_device);
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

}  // namespace rdpipe
