#include "verbs/datagram_queue.h"

#include <arpa/inet.h>
#include <infiniband/verbs.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "ground/error.h"

namespace rdpipe {
namespace {

std::size_t bytes_of(ibv_mtu mtu) { return std::size_t{128} << static_cast<unsigned>(mtu); }

ibv_qp* make_queue_pair(ibv_pd* domain, ibv_cq* sent, ibv_cq* received, const DatagramDepths& depths,
                        std::size_t& inline_bytes) {
  ibv_qp_init_attr wanted{};
  wanted.send_cq = sent;
  wanted.recv_cq = received;
  wanted.cap.max_send_wr = static_cast<std::uint32_t>(depths.sends);
  wanted.cap.max_recv_wr = static_cast<std::uint32_t>(depths.receives);
  wanted.cap.max_send_sge = 1;
  wanted.cap.max_recv_sge = 1;
  wanted.cap.max_inline_data = static_cast<std::uint32_t>(inline_bytes);
  wanted.qp_type = IBV_QPT_UD;
  ibv_qp* made = ::ibv_create_qp(domain, &wanted);
  if (made != nullptr) inline_bytes = wanted.cap.max_inline_data;
  return made;
}

void change(ibv_qp* queue_pair, ibv_qp_attr wanted, int mask, const char* attempt) {
  check_value(::ibv_modify_qp(queue_pair, &wanted, mask), Status::kNetwork, attempt);
}

}  // namespace

Device::Device(const std::string& name) : context_(open_rdma_device(name)) {
  if (context_ != nullptr) return;
  throw_errno(errno, Status::kEndpoint, "open the RDMA device '" + printable(name) + "'");
}

Device::Port Device::port(std::uint8_t number) const {
  ibv_port_attr attributes{};
  check_value(::ibv_query_port(get(), number, &attributes), Status::kNetwork,
              "look at an RDMA device's port");
  return {.active = attributes.state == IBV_PORT_ACTIVE,
          .ethernet = attributes.link_layer == IBV_LINK_LAYER_ETHERNET,
          .lid = attributes.lid,
          .mtu = bytes_of(attributes.active_mtu)};
}

std::uint8_t Device::ports() const {
  ibv_device_attr attributes{};
  check_value(::ibv_query_device(get(), &attributes), Status::kNetwork, "look at an RDMA device");
  return attributes.phys_port_cnt;
}

std::vector<Device::Identity> Device::identities(std::uint8_t port) const {
  constexpr std::size_t kMostEntries = 512, kNameable = 256;  // by an address handle
  std::vector<ibv_gid_entry> entries(kMostEntries);
  const ssize_t count = ::ibv_query_gid_table(get(), entries.data(), entries.size(), 0);
  std::vector<Identity> out;
  for (std::size_t i = 0; count > 0 && i < static_cast<std::size_t>(count); ++i) {
    const ibv_gid_entry& entry = entries[i];
    if (entry.port_num != port || entry.gid_type == IBV_GID_TYPE_ROCE_V1 || entry.gid_index >= kNameable) {
      continue;
    }
    Identity identity{.index = static_cast<std::uint8_t>(entry.gid_index)};
    std::memcpy(identity.gid.data(), entry.gid.raw, identity.gid.size());
    out.push_back(identity);
  }
  return out;
}

DatagramQueuePair::DatagramQueuePair(const Device& device, const ProtectionDomain& domain, std::uint8_t port,
                                     DatagramDepths depths, std::uint32_t key)
    : port_(port),
      key_(key),
      inline_bytes_(depths.inline_bytes),
      sent_(device.get(), depths.sends),
      received_(device.get(), depths.receives) {
  queue_pair_ = make_queue_pair(domain.get(), sent_.get(), received_.get(), depths, inline_bytes_);
  if (queue_pair_ == nullptr && errno == EINVAL) {  // a device that takes nothing inline, or not so much
    inline_bytes_ = 0;
    queue_pair_ = make_queue_pair(domain.get(), sent_.get(), received_.get(), depths, inline_bytes_);
  }
  if (queue_pair_ == nullptr) throw_memory(errno, "make an RDMA datagram queue pair");
  try {
    begin();
  } catch (...) {
    ::ibv_destroy_qp(queue_pair_);
    throw;
  }
}

DatagramQueuePair::~DatagramQueuePair() { ::ibv_destroy_qp(queue_pair_); }

void DatagramQueuePair::begin() {
  constexpr const char* kAttempt = "set up an RDMA datagram queue pair";
  ibv_qp_attr wanted{};
  wanted.qp_state = IBV_QPS_INIT;
  wanted.port_num = port_;
  wanted.qkey = key_;
  change(queue_pair_, wanted, IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_QKEY, kAttempt);
  wanted.qp_state = IBV_QPS_RTR;
  change(queue_pair_, wanted, IBV_QP_STATE, kAttempt);
  wanted.qp_state = IBV_QPS_RTS;
  change(queue_pair_, wanted, IBV_QP_STATE | IBV_QP_SQ_PSN, kAttempt);
}

void DatagramQueuePair::restart() {
  ibv_qp_attr wanted{};
  wanted.qp_state = IBV_QPS_RESET;
  change(queue_pair_, wanted, IBV_QP_STATE, "restart an RDMA datagram queue pair");
  std::array<Completion, kLongestChain> forgotten;
  for (CompletionQueue* queue : {&sent_, &received_}) {
    while (queue->take(forgotten) > 0) {
    }
  }
  begin();
}

void DatagramQueuePair::stop() {
  ibv_qp_attr wanted{};
  wanted.qp_state = IBV_QPS_ERR;
  change(queue_pair_, wanted, IBV_QP_STATE, "stop an RDMA datagram queue pair");
}

std::uint32_t DatagramQueuePair::number() const noexcept { return queue_pair_->qp_num; }

void DatagramQueuePair::post_sends(std::span<const DatagramSend> sends) {
  std::array<ibv_send_wr, kLongestChain> chain;
  std::array<ibv_sge, kLongestChain> segments;
  for (std::size_t i = 0; i < sends.size(); ++i) {
    const DatagramSend& send = sends[i];
    segments[i] = {.addr = reinterpret_cast<std::uintptr_t>(send.segment.address),
                   .length = static_cast<std::uint32_t>(send.segment.length),
                   .lkey = send.segment.key};
    ibv_send_wr& wanted = chain[i] = {};
    wanted.wr_id = send.id;
    wanted.next = i + 1 < sends.size() ? &chain[i + 1] : nullptr;
    wanted.sg_list = &segments[i];
    wanted.num_sge = 1;
    wanted.opcode = IBV_WR_SEND_WITH_IMM;
    wanted.imm_data = htonl(key_);
    if (send.signalled) wanted.send_flags |= IBV_SEND_SIGNALED;
    if (send.is_inline) wanted.send_flags |= IBV_SEND_INLINE;
    wanted.wr.ud.ah = send.handle;
    wanted.wr.ud.remote_qpn = send.queue_pair;
    wanted.wr.ud.remote_qkey = send.key;
  }
  ibv_send_wr* refused = nullptr;
  check_value(::ibv_post_send(queue_pair_, chain.data(), &refused), Status::kNetwork, "post RDMA datagrams");
}

void DatagramQueuePair::post_receives(std::span<const Segment> from, std::span<const std::uint64_t> ids) {
  std::array<ibv_recv_wr, kLongestChain> chain;
  std::array<ibv_sge, kLongestChain> segments;
  for (std::size_t i = 0; i < from.size(); ++i) {
    segments[i] = {.addr = reinterpret_cast<std::uintptr_t>(from[i].address),
                   .length = static_cast<std::uint32_t>(from[i].length),
                   .lkey = from[i].key};
    ibv_recv_wr& wanted = chain[i] = {};
    wanted.wr_id = ids[i];
    wanted.next = i + 1 < from.size() ? &chain[i + 1] : nullptr;
    wanted.sg_list = &segments[i];
    wanted.num_sge = 1;
  }
  ibv_recv_wr* refused = nullptr;
  check_value(::ibv_post_recv(queue_pair_, chain.data(), &refused), Status::kNetwork,
              "post receives of RDMA datagrams");
}

std::size_t DatagramQueuePair::take_received(std::span<DatagramReceived> into) {
  std::array<ibv_wc, kLongestChain> raw;
  const int count =
      ::ibv_poll_cq(received_.get(), static_cast<int>(std::min(into.size(), raw.size())), raw.data());
  if (count < 0) throw Error(Status::kNetwork, "take RDMA datagrams", "the device has failed");
  for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
    const ibv_wc& from = raw[i];
    const bool has_key = (from.wc_flags & IBV_WC_WITH_IMM) != 0;
    into[i] = {.id = from.wr_id,
               .status = status_of(from.status),
               .length = from.byte_len,
               .queue_pair = from.src_qp,
               .key = has_key ? ntohl(from.imm_data) : 0,
               .lid = from.slid,
               .service_level = from.sl,
               .has_header = (from.wc_flags & IBV_WC_GRH) != 0};
  }
  return static_cast<std::size_t>(count);
}

}  // namespace rdpipe
