#include "verbs/queue.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <infiniband/verbs.h>
#include <rdma/rdma_cma.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "ground/error.h"
#include "ground/units.h"
#include "verbs/connection.h"

namespace rdpipe {
namespace {

constexpr std::size_t kMostSegments = 2;
constexpr std::size_t kBatch = 16;    // completions taken from the device at once
constexpr std::size_t kInline = 192;  // bytes: a frame header and a small message

std::string memlock_hint() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_MEMLOCK, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return {};
  return fmt::format(
      "the limit on locked memory is {}: raise it with `ulimit -l unlimited` (as root), with the line "
      "'* - memlock unlimited' in /etc/security/limits.conf and a new login, or with LimitMEMLOCK=infinity "
      "in a "
      "systemd unit",
      format_size(limit.rlim_cur));
}

// Devices report a limit on locked memory as any of these.
bool is_memory_limit(int error) { return error == ENOMEM || error == EPERM || error == EAGAIN; }

template <typename T>
T* check_memory(T* result, const char* attempt) {
  if (result == nullptr) throw_memory(errno, attempt);
  return result;
}

using Elements = std::array<ibv_sge, kMostSegments>;

int fill(Elements& elements, std::span<const Segment> segments) {
  for (std::size_t i = 0; i < segments.size(); ++i) {
    elements[i] = {.addr = reinterpret_cast<std::uintptr_t>(segments[i].address),
                   .length = static_cast<std::uint32_t>(segments[i].length),
                   .lkey = segments[i].key};
  }
  return static_cast<int>(segments.size());
}

}  // namespace

void throw_memory(int error, const std::string& attempt) {
  throw Error(Status::kMemory, attempt, errno_text(error),
              is_memory_limit(error) ? memlock_hint() : std::string());
}

CompletionStatus status_of(int code) {
  switch (static_cast<ibv_wc_status>(code)) {
    case IBV_WC_SUCCESS:
      return CompletionStatus::kSuccess;
    case IBV_WC_WR_FLUSH_ERR:
      return CompletionStatus::kFlushed;
    case IBV_WC_LOC_LEN_ERR:
      return CompletionStatus::kTooLong;
    case IBV_WC_RETRY_EXC_ERR:
    case IBV_WC_RESP_TIMEOUT_ERR:
      return CompletionStatus::kNoAnswer;
    case IBV_WC_RNR_RETRY_EXC_ERR:
      return CompletionStatus::kNoReceive;
    case IBV_WC_REM_ACCESS_ERR:
    case IBV_WC_REM_INV_REQ_ERR:
    case IBV_WC_REM_OP_ERR:
    case IBV_WC_REM_ABORT_ERR:
      return CompletionStatus::kRefusedByPeer;
    default:
      return CompletionStatus::kOther;
  }
}

ProtectionDomain::ProtectionDomain(ibv_context* device)
    : domain_(check_memory(::ibv_alloc_pd(device), "make an RDMA protection domain")) {}

ProtectionDomain::~ProtectionDomain() { ::ibv_dealloc_pd(domain_); }

MemoryRegion::MemoryRegion(const ProtectionDomain& domain, std::span<std::byte> memory, Access access) {
  const int flags =
      access == Access::kLocal ? IBV_ACCESS_LOCAL_WRITE : IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE;
  region_ = ibv_reg_mr(domain.get(), memory.data(), memory.size(), flags);
  if (region_ == nullptr) {
    const int error = errno;
    throw_memory(error, fmt::format("pin {} ({} bytes) for RDMA", format_size(memory.size()), memory.size()));
  }
}

MemoryRegion::~MemoryRegion() {
  if (region_ != nullptr) ::ibv_dereg_mr(region_);
}

std::uint32_t MemoryRegion::local_key() const noexcept { return region_->lkey; }

std::uint32_t MemoryRegion::remote_key() const noexcept { return region_->rkey; }

bool MemoryRegion::holds(const std::byte* address) const noexcept {
  const auto* start = static_cast<const std::byte*>(region_->addr);
  return address >= start && address < start + region_->length;
}

std::string completion_text(int code) { return ::ibv_wc_status_str(static_cast<ibv_wc_status>(code)); }

CompletionQueue::CompletionQueue(ibv_context* device, std::size_t capacity)
    : channel_(check_memory(::ibv_create_comp_channel(device), "make an RDMA completion channel")) {
  queue_ = ::ibv_create_cq(device, static_cast<int>(capacity), nullptr, channel_, 0);
  int error = queue_ == nullptr ? errno : 0;
  const int flags = ::fcntl(channel_->fd, F_GETFL);
  if (error == 0 && (flags < 0 || ::fcntl(channel_->fd, F_SETFL, flags | O_NONBLOCK) < 0)) {
    error = errno;
    ::ibv_destroy_cq(queue_);
  }
  if (error != 0) {
    ::ibv_destroy_comp_channel(channel_);
    throw_memory(error, "make an RDMA completion queue");
  }
}

CompletionQueue::~CompletionQueue() {
  ::ibv_ack_cq_events(queue_, unacknowledged_);  // destroying waits for them
  ::ibv_destroy_cq(queue_);
  ::ibv_destroy_comp_channel(channel_);
}

std::size_t CompletionQueue::take(std::span<Completion> into) {
  std::array<ibv_wc, kBatch> raw;
  const int wanted = static_cast<int>(std::min(into.size(), raw.size()));
  const int count = ::ibv_poll_cq(queue_, wanted, raw.data());
  if (count < 0) throw Error(Status::kNetwork, "take RDMA completions", "the device has failed");
  for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
    into[i] = {.id = raw[i].wr_id,
               .status = status_of(raw[i].status),
               .length = raw[i].byte_len,
               .code = static_cast<int>(raw[i].status)};
  }
  return static_cast<std::size_t>(count);
}

void CompletionQueue::announce(Announce what) {
  const int solicited_only = what == Announce::kSolicited ? 1 : 0;
  check_value(::ibv_req_notify_cq(queue_, solicited_only), Status::kNetwork,
              "ask for RDMA completion events");
}

bool CompletionQueue::take_announcement() {
  ibv_cq* queue = nullptr;
  void* context = nullptr;
  if (::ibv_get_cq_event(channel_, &queue, &context) != 0) return false;
  constexpr unsigned kAcknowledgeAt = 64;
  if (++unacknowledged_ >= kAcknowledgeAt) ::ibv_ack_cq_events(queue_, std::exchange(unacknowledged_, 0));
  return true;
}

int CompletionQueue::fd() const noexcept { return channel_->fd; }

QueuePair::QueuePair(ConnectionId& id, const ProtectionDomain& domain, const CompletionQueue& completions,
                     QueueDepths depths)
    : id_(id.get()), inline_bytes_(kInline) {
  if (make(domain, completions, depths)) return;
  if (!is_memory_limit(errno)) {  // a device that takes nothing inline, or not so much
    inline_bytes_ = 0;
    if (make(domain, completions, depths)) return;
  }
  const int error = errno;
  const std::string attempt = "make an RDMA queue pair";
  if (is_memory_limit(error)) throw_memory(error, attempt);
  throw_errno(error, Status::kNetwork, attempt);
}

QueuePair::~QueuePair() { ::rdma_destroy_qp(id_); }

// False with errno set.
bool QueuePair::make(const ProtectionDomain& domain, const CompletionQueue& completions, QueueDepths depths) {
  ibv_qp_init_attr wanted{};
  wanted.send_cq = completions.get();
  wanted.recv_cq = completions.get();
  wanted.cap.max_send_wr = static_cast<std::uint32_t>(depths.sends);
  wanted.cap.max_recv_wr = static_cast<std::uint32_t>(depths.receives);
  wanted.cap.max_send_sge = kMostSegments;
  wanted.cap.max_recv_sge = kMostSegments;
  wanted.cap.max_inline_data = static_cast<std::uint32_t>(inline_bytes_);
  wanted.qp_type = IBV_QPT_RC;
  wanted.sq_sig_all = 1;
  if (::rdma_create_qp(id_, domain.get(), &wanted) != 0) return false;
  inline_bytes_ = std::min<std::size_t>(inline_bytes_, wanted.cap.max_inline_data);  // what was granted
  return true;
}

void QueuePair::post_send(std::uint64_t request, std::span<const Segment> segments) {
  Elements elements;
  ibv_send_wr wanted{};
  wanted.wr_id = request;
  wanted.num_sge = fill(elements, segments);
  wanted.sg_list = elements.data();
  wanted.opcode = IBV_WR_SEND;
  wanted.send_flags = IBV_SEND_SOLICITED;
  std::size_t length = 0;
  for (const Segment& segment : segments) length += segment.length;
  if (length <= inline_bytes_) wanted.send_flags |= IBV_SEND_INLINE;
  ibv_send_wr* refused = nullptr;
  check_value(::ibv_post_send(id_->qp, &wanted, &refused), Status::kNetwork, "post an RDMA send");
}

void QueuePair::post_receive(std::uint64_t request, std::span<const Segment> segments) {
  Elements elements;
  ibv_recv_wr wanted{};
  wanted.wr_id = request;
  wanted.num_sge = fill(elements, segments);
  wanted.sg_list = elements.data();
  ibv_recv_wr* refused = nullptr;
  check_value(::ibv_post_recv(id_->qp, &wanted, &refused), Status::kNetwork, "post an RDMA receive");
}

void QueuePair::post_write(std::uint64_t request, const Segment& from, std::uint64_t remote_address,
                           std::uint32_t remote_key) {
  Elements elements;
  ibv_send_wr wanted{};
  wanted.wr_id = request;
  wanted.num_sge = fill(elements, {&from, 1});
  wanted.sg_list = elements.data();
  wanted.opcode = IBV_WR_RDMA_WRITE;
  wanted.wr.rdma.remote_addr = remote_address;
  wanted.wr.rdma.rkey = remote_key;
  ibv_send_wr* refused = nullptr;
  check_value(::ibv_post_send(id_->qp, &wanted, &refused), Status::kNetwork, "post an RDMA write");
}

QueueDepths allowed_depths(ibv_context* device, QueueDepths wanted) {
  ibv_device_attr attributes{};
  if (::ibv_query_device(device, &attributes) != 0 || attributes.max_qp_wr <= 0) return wanted;
  const auto most = static_cast<std::size_t>(attributes.max_qp_wr);
  return {.sends = std::min(wanted.sends, most), .receives = std::min(wanted.receives, most)};
}

}  // namespace rdpipe
