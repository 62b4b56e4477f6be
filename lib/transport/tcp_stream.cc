#include "transport/tcp_stream.h"

// linux/tcp.h and not netinet/tcp.h: only the former's tcp_info has the peer's window.
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>

#include "ground/error.h"
#include "transport/address.h"

namespace rdpipe {
namespace {

// So many probes of a full peer's window in a row without an answer: the peer is gone.
constexpr int kLostProbes = 4;

// Of Linux 6.15, and in no older header: the longest time between two probes, or between sending something
// and sending it again; milliseconds.
constexpr int kTcpRtoMaxMs = 44;

// Within one host, where nothing is under way but in memory, a small send buffer keeps the bytes in the
// processor's caches: 4 GiB through a pipe took 8 to 45 % less time than with the kernel's choice, which
// grows to 4 MiB. The value is Linux's default limit, so that every user gets it.
constexpr int kSameHostSendBuffer = 212992;

void set_option(int socket, int level, int name, int value) {
  check(::setsockopt(socket, level, name, &value, sizeof value), Status::kNetwork, "set a socket option");
}

std::size_t total(std::span<const iovec> parts) {
  std::size_t bytes = 0;
  for (const iovec& part : parts) bytes += part.iov_len;
  return bytes;
}

bool would_block(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }

}  // namespace

void tune_tcp(int socket) { set_option(socket, IPPROTO_TCP, TCP_NODELAY, 1); }

TcpStream::TcpStream(Loop& loop, Descriptor socket) : loop_(&loop), socket_(std::move(socket)) {
  const SocketAddress local = local_address(socket_.get()), peer = peer_address(socket_.get());
  info_ = {.fabric = Fabric::kTcp,
           .device = interface_of(local),
           .local = local.text(),
           .peer = peer.text(),
           .same_host = peer.is_loopback() || local.same_address(peer)};
  tune_tcp(socket_.get());
  if (info_.same_host) set_option(socket_.get(), SOL_SOCKET, SO_SNDBUF, kSameHostSendBuffer);
  set_keep_alive(keep_alive_);
  move_to(loop);
}

TcpStream::~TcpStream() {
  if (finished_) return;
  // Without this the peer would see a good end.
  const linger reset{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
}

ByteStream::Moved TcpStream::read(std::span<iovec> parts) {
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  const ssize_t result = ::recvmsg(socket_.get(), &message, MSG_DONTWAIT);
  if (result == 0) return {.bytes = 0, .error = 0, .end = true};
  if (result < 0 && !would_block(errno)) return {.bytes = 0, .error = errno, .end = false};
  const std::size_t bytes = result < 0 ? 0 : static_cast<std::size_t>(result);
  if (bytes < total(parts)) readable_->arm(POLLIN);
  return {.bytes = bytes, .error = 0, .end = false};
}

ByteStream::Moved TcpStream::write(std::span<iovec> parts) {
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  const ssize_t result = ::sendmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (result < 0 && !would_block(errno)) return {.bytes = 0, .error = errno, .end = false};
  const std::size_t bytes = result < 0 ? 0 : static_cast<std::size_t>(result);
  if (bytes < total(parts)) writable_->arm(POLLOUT);
  if (!busy_since_) {
    busy_since_ = Clock::now();
    look_again_ = *busy_since_ + keep_alive_ / 4;
  }
  return {.bytes = bytes, .error = 0, .end = false};
}

void TcpStream::finish() {
  finished_ = true;
  ::shutdown(socket_.get(), SHUT_WR);  // fails only where the connection is gone, which read() reports
}

void TcpStream::set_keep_alive(Nanoseconds limit) {
  keep_alive_ = limit;
  // Seconds are the kernel's unit: the first probe after `idle`, lost when `count` went unanswered.
  const auto seconds = static_cast<int>(std::chrono::duration_cast<std::chrono::seconds>(limit).count());
  const int interval = std::clamp(seconds / 5, 1, 10);
  const int count = std::clamp(seconds - 1, 1, 3);
  const int idle = std::max(1, seconds - interval * count);
  set_option(socket_.get(), SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(socket_.get(), IPPROTO_TCP, TCP_KEEPIDLE, idle);
  set_option(socket_.get(), IPPROTO_TCP, TCP_KEEPINTVL, interval);
  set_option(socket_.get(), IPPROTO_TCP, TCP_KEEPCNT, count);
  // Else the probes of a peer that has long been full come two minutes apart. Older kernels refuse this.
  const int longest_ms = std::clamp(seconds * 1000 / 6, 1000, 120000);
  ::setsockopt(socket_.get(), IPPROTO_TCP, kTcpRtoMaxMs, &longest_ms, sizeof longest_ms);
  if (busy_since_) look_again_ = Clock::now() + keep_alive_ / 4;
}

int TcpStream::check_alive() {
  if (!busy_since_) return 0;
  const auto now = Clock::now();
  if (now >= look_again_) {
    // This process was stopped: its own absence says nothing about the peer.
    if (now >= look_again_ + keep_alive_ / 4) busy_since_ = now;
    if (peer_is_dead(now)) return ETIMEDOUT;
    look_again_ = now + keep_alive_ / 4;
  }
  if (busy_since_) loop_->wake_at(Deadline::at(look_again_));
  return 0;
}

bool TcpStream::peer_is_dead(Clock::time_point now) {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (::getsockopt(socket_.get(), IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return false;
  if (info.tcpi_unacked == 0 && info.tcpi_notsent_bytes == 0) {
    busy_since_.reset();  // the kernel's keep-alive sees to the rest
    return false;
  }
  const Nanoseconds limit = keep_alive_ * 3 / 4;
  const Nanoseconds since_answer = std::chrono::milliseconds(info.tcpi_last_ack_recv);
  const bool window_known = size >= offsetof(tcp_info, tcpi_snd_wnd) + sizeof info.tcpi_snd_wnd;
  // Unsent although the window has room: it cannot leave this host. Otherwise the peer is full, acknowledges
  // everything and answers probes; those come ever more rarely, so the age of the last answer alone says
  // nothing about it.
  const bool fits = window_known && info.tcpi_snd_wnd >= std::min(info.tcpi_notsent_bytes, info.tcpi_snd_mss);
  if (info.tcpi_unacked == 0 && !fits) return info.tcpi_probes >= kLostProbes && since_answer >= limit;
  // Full with something unacknowledged, which then serves as the probe, after times that double.
  const bool full = window_known && info.tcpi_snd_wnd == 0;
  if (full) return since_answer >= std::max<Nanoseconds>(limit, 3 * std::chrono::microseconds(info.tcpi_rto));
  return std::min(since_answer, Nanoseconds(now - *busy_since_)) >= limit;
}

void TcpStream::move_to(Loop& loop) {
  const bool was_full = writable_ && writable_->armed();
  readable_.reset();
  writable_.reset();
  loop_ = &loop;
  readable_.emplace(loop, socket_.get());
  writable_.emplace(loop, socket_.get());
  readable_->arm(POLLIN);
  if (was_full) writable_->arm(POLLOUT);
}

}  // namespace rdpipe
