#include "verbs/connection.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <infiniband/verbs.h>
#include <rdma/rdma_cma.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "ground/error.h"

namespace rdpipe {
namespace {

// What librdmacm returns: 0, or -1 and errno. Some older paths return an errno value instead, of either sign.
int errno_of(int result) { return result == -1 ? errno : std::abs(result); }

rdma_conn_param parameters(std::span<const std::byte> private_data) {
  rdma_conn_param out{};
  out.private_data = private_data.data();
  out.private_data_len = static_cast<std::uint8_t>(private_data.size());
  out.responder_resources = 1;
  out.initiator_depth = 1;
  out.retry_count = 7;
  out.rnr_retry_count = 7;  // for ever: credits see to it that nobody waits, this is the safety net
  return out;
}

ConnectionEventKind kind_of(rdma_cm_event_type type) {
  switch (type) {
    case RDMA_CM_EVENT_ADDR_RESOLVED:
      return ConnectionEventKind::kAddressResolved;
    case RDMA_CM_EVENT_ROUTE_RESOLVED:
      return ConnectionEventKind::kRouteResolved;
    case RDMA_CM_EVENT_CONNECT_REQUEST:
      return ConnectionEventKind::kRequest;
    case RDMA_CM_EVENT_ESTABLISHED:
      return ConnectionEventKind::kEstablished;
    case RDMA_CM_EVENT_ADDR_ERROR:
    case RDMA_CM_EVENT_ROUTE_ERROR:
    case RDMA_CM_EVENT_CONNECT_ERROR:
    case RDMA_CM_EVENT_UNREACHABLE:
    case RDMA_CM_EVENT_REJECTED:
      return ConnectionEventKind::kFailed;
    case RDMA_CM_EVENT_DISCONNECTED:
      return ConnectionEventKind::kDisconnected;
    case RDMA_CM_EVENT_TIMEWAIT_EXIT:
      return ConnectionEventKind::kTimewaitExit;
    case RDMA_CM_EVENT_DEVICE_REMOVAL:
      return ConnectionEventKind::kDeviceRemoved;
    default:
      return ConnectionEventKind::kOther;
  }
}

// A rejection carries InfiniBand's reason, or for iWARP a negative errno value. Reasons 8 and 28: nobody
// listens there, and the listener itself said no.
void describe_rejection(int status, ConnectionEvent& event) {
  constexpr int kNobodyListens = 8, kListenerSaidNo = 28;
  event.refused = true;
  event.error = status < 0 ? -status : ECONNREFUSED;
  if (status == kNobodyListens || status < 0) {
    event.cause = errno_text(event.error);
  } else if (status == kListenerSaidNo) {
    event.cause = "the listener refuses this connection";
  } else {
    event.cause = "rejected by the peer's RDMA connection manager, reason " + std::to_string(status);
  }
}

// The statuses of SIDR: 1 where nobody listens, 2 from the listener itself.
void describe_no_service(int status, ConnectionEvent& event) {
  constexpr int kListenerSaidNo = 2;
  event.refused = true;
  event.error = status == kListenerSaidNo ? ENOENT : ECONNREFUSED;
  event.cause = status == kListenerSaidNo ? "the listener knows no such name" : errno_text(event.error);
}

void describe_failure(const rdma_cm_event& from, ConnectionEvent& event) {
  if (from.event == RDMA_CM_EVENT_REJECTED) return describe_rejection(from.status, event);
  const bool asked = from.event == RDMA_CM_EVENT_UNREACHABLE && from.id->ps == RDMA_PS_UDP;
  if (asked && from.status > 0) return describe_no_service(from.status, event);
  event.error = from.status < 0 ? -from.status : EHOSTUNREACH;
  // The library itself failed and does not say why; with CONNECT_ERROR, to complete what the peer has agreed
  // to.
  if (from.status == -1) {
    event.error = from.event == RDMA_CM_EVENT_CONNECT_ERROR ? ECONNABORTED : EHOSTUNREACH;
  }
  if (from.event == RDMA_CM_EVENT_ADDR_ERROR && event.error == ENODEV) {
    event.cause = "no RDMA device has a route there";
  } else {
    event.cause = errno_text(event.error);
  }
}

void copy_private_data(const void* from, std::size_t size, ConnectionEvent& event) {
  const auto* bytes = static_cast<const std::byte*>(from);
  if (bytes != nullptr) event.private_data.assign(bytes, bytes + size);
}

void copy_parameters(const rdma_cm_event& from, ConnectionEvent& event) {
  if (from.id->ps != RDMA_PS_UDP) {
    return copy_private_data(from.param.conn.private_data, from.param.conn.private_data_len, event);
  }
  const rdma_ud_param& answer = from.param.ud;
  copy_private_data(answer.private_data, answer.private_data_len, event);
  if (event.kind != ConnectionEventKind::kEstablished) return;
  event.queue_pair = answer.qp_num;
  event.path.global = answer.ah_attr.is_global != 0;
  std::memcpy(event.path.gid.data(), answer.ah_attr.grh.dgid.raw, event.path.gid.size());
  event.path.lid = answer.ah_attr.dlid;
  event.path.service_level = answer.ah_attr.sl;
  event.path.source_index = answer.ah_attr.grh.sgid_index;
}

}  // namespace

ConnectionId::ConnectionId(EventChannel& channel, PortSpace space) {
  const rdma_port_space ports = space == PortSpace::kUdp ? RDMA_PS_UDP : RDMA_PS_TCP;
  check(::rdma_create_id(channel.get(), &id_, nullptr, ports), Status::kNetwork,
        "make an RDMA connection id");
}

ConnectionId::~ConnectionId() {
  if (id_ != nullptr) ::rdma_destroy_id(id_);
}

int ConnectionId::bind(const sockaddr* local) {
  return errno_of(::rdma_bind_addr(id_, const_cast<sockaddr*>(local)));  // not written to
}

int ConnectionId::listen(int backlog) { return errno_of(::rdma_listen(id_, backlog)); }

int ConnectionId::resolve_address(const sockaddr* local_or_null, const sockaddr* peer,
                                  std::chrono::milliseconds limit) {
  return errno_of(::rdma_resolve_addr(id_, const_cast<sockaddr*>(local_or_null), const_cast<sockaddr*>(peer),
                                      static_cast<int>(limit.count())));
}

int ConnectionId::resolve_route(std::chrono::milliseconds limit) {
  return errno_of(::rdma_resolve_route(id_, static_cast<int>(limit.count())));
}

int ConnectionId::connect(std::span<const std::byte> private_data) {
  rdma_conn_param wanted = parameters(private_data);
  return errno_of(::rdma_connect(id_, &wanted));
}

int ConnectionId::accept(std::span<const std::byte> private_data) {
  rdma_conn_param wanted = parameters(private_data);
  return errno_of(::rdma_accept(id_, &wanted));
}

int ConnectionId::answer(std::uint32_t queue_pair, std::span<const std::byte> private_data) {
  rdma_conn_param wanted = parameters(private_data);
  wanted.qp_num = queue_pair;
  return errno_of(::rdma_accept(id_, &wanted));
}

void ConnectionId::reject() noexcept { ::rdma_reject(id_, nullptr, 0); }

void ConnectionId::disconnect() noexcept { ::rdma_disconnect(id_); }

int ConnectionId::migrate(EventChannel& channel) { return errno_of(::rdma_migrate_id(id_, channel.get())); }

void ConnectionId::set_v6_only(bool on) noexcept {
  int value = on ? 1 : 0;
  ::rdma_set_option(id_, RDMA_OPTION_ID, RDMA_OPTION_ID_AFONLY, &value, sizeof value);
}

void ConnectionId::set_ack_timeout(std::chrono::nanoseconds limit) noexcept {
  std::uint8_t exponent = 0;  // the time is 4096 ns * 2^exponent; 0 would mean for ever
  while (exponent < 31 && (std::int64_t{4096} << (exponent + 1)) <= limit.count()) ++exponent;
  if (exponent == 0) exponent = 1;
  ::rdma_set_option(id_, RDMA_OPTION_ID, RDMA_OPTION_ID_ACK_TIMEOUT, &exponent, sizeof exponent);
}

const sockaddr* ConnectionId::local() const noexcept { return ::rdma_get_local_addr(id_); }

const sockaddr* ConnectionId::peer() const noexcept { return ::rdma_get_peer_addr(id_); }

std::uint16_t ConnectionId::local_port() const noexcept { return ntohs(::rdma_get_src_port(id_)); }

ibv_context* ConnectionId::device() const noexcept { return id_->verbs; }

std::string ConnectionId::device_name() const {
  return id_->verbs == nullptr ? std::string() : ::ibv_get_device_name(id_->verbs->device);
}

std::uint8_t ConnectionId::device_port() const noexcept { return id_->port_num; }

bool ConnectionId::is_iwarp() const noexcept {
  return id_->verbs != nullptr && id_->verbs->device->transport_type == IBV_TRANSPORT_IWARP;
}

EventChannel::EventChannel() {
  channel_ = check_pointer(::rdma_create_event_channel(), Status::kNetwork, "open rdma_cm");
  const int flags = ::fcntl(channel_->fd, F_GETFL);
  if (flags < 0 || ::fcntl(channel_->fd, F_SETFL, flags | O_NONBLOCK) < 0) {
    const int error = errno;
    ::rdma_destroy_event_channel(channel_);
    throw_errno(error, Status::kNetwork, "open rdma_cm");
  }
}

EventChannel::~EventChannel() {
  if (channel_ != nullptr) ::rdma_destroy_event_channel(channel_);
}

int EventChannel::fd() const noexcept { return channel_->fd; }

std::optional<ConnectionEvent> EventChannel::take() {
  rdma_cm_event* raw = nullptr;
  if (::rdma_get_cm_event(channel_, &raw) != 0) {
    const int error = errno;
    if (error == EAGAIN || error == EINTR) return {};
    throw_errno(error, Status::kNetwork, "take an event of rdma_cm");
  }
  ConnectionEvent event;
  event.kind = kind_of(raw->event);
  if (event.kind == ConnectionEventKind::kFailed) describe_failure(*raw, event);
  if (event.kind == ConnectionEventKind::kRequest) event.request = ConnectionId(raw->id);
  if (event.kind == ConnectionEventKind::kRequest || event.kind == ConnectionEventKind::kEstablished) {
    copy_parameters(*raw, event);
  }
  ::rdma_ack_cm_event(raw);
  return event;
}

}  // namespace rdpipe
