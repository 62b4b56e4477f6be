#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <vector>

#include "ground/error.h"
#include "transport/address.h"
#include "transport/tcp.h"
#include "transport/tcp_link.h"
#include "transport/tcp_stream.h"

namespace rdpipe {
namespace {

constexpr int kBacklog = 256;
constexpr int kTriesInARow = 16;  // whoever floods the listener must not keep the thread

void set_flag(int socket, int level, int name, int value) {
  check(::setsockopt(socket, level, name, &value, sizeof value), Status::kNetwork, "set a socket option");
}

[[noreturn]] void throw_refused(int error, const std::string& attempt) {
  if (error == EADDRINUSE) {
    throw Error(Status::kNetwork, attempt, errno_text(error),
                "another program listens there: choose another port, or 0 for a free one");
  }
  if (error == EACCES) {
    throw Error(Status::kNetwork, attempt, errno_text(error),
                "ports below 1024 are for privileged users: choose a higher one");
  }
  throw_errno(error, error == EADDRNOTAVAIL ? Status::kEndpoint : Status::kNetwork, attempt);
}

// One socket for both families, unless an address or a family was asked for.
std::vector<SocketAddress> bind_addresses(const std::string& port, const FabricOptions& options) {
  const PeerAddress any{options.address, port};
  if (!options.address.empty()) return resolve(any, options.family, Purpose::kBind);
  std::vector<SocketAddress> addresses;
  for (const auto family : {AddressFamily::kIpv6, AddressFamily::kIpv4}) {
    if (options.family != AddressFamily::kAny && options.family != family) continue;
    try {
      for (const SocketAddress& address : resolve(any, family, Purpose::kBind)) addresses.push_back(address);
    } catch (const Error& error) {
      if (error.status() == Status::kUsage || options.family == family) throw;  // else: a host without IPv6
    }
  }
  return addresses;
}

// Nothing, and why, where this host lacks the family or the address.
Descriptor bound_socket(const SocketAddress& address, const FabricOptions& options,
                        const std::string& attempt, int& lacking) {
  Descriptor socket(::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP));
  if (!socket) {
    lacking = errno;
    if (lacking == EAFNOSUPPORT) return {};
    throw_refused(lacking, attempt);
  }
  set_flag(socket.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  if (address.family() == AF_INET6) {
    set_flag(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, options.family == AddressFamily::kIpv6 ? 1 : 0);
  }
  if (::bind(socket.get(), address.get(), address.size) != 0) {
    lacking = errno;
    if (lacking == EADDRNOTAVAIL) return {};
    throw_refused(lacking, attempt);
  }
  return socket;
}

bool out_of_resources(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

}  // namespace

TcpAcceptor::TcpAcceptor(Loop& loop, const std::string& port, const FabricOptions& options)
    : loop_(loop), keep_alive_(options.keep_alive), attempt_("listen on port " + printable(port)) {
  if (!options.address.empty()) attempt_ += " of " + printable(options.address);
  int lacking = EAFNOSUPPORT;
  for (const SocketAddress& address : bind_addresses(port, options)) {
    socket_ = bound_socket(address, options, attempt_, lacking);
    if (socket_) break;
  }
  if (!socket_) throw_refused(lacking, attempt_);
  port_ = local_address(socket_.get()).port();
}

void TcpAcceptor::start() {
  if (::listen(socket_.get(), kBacklog) != 0) throw_refused(errno, attempt_);
  acceptable_.emplace(loop_, socket_.get());
  acceptable_->arm(POLLIN);
}

std::unique_ptr<Link> TcpAcceptor::poll() {
  if (pause_) {
    if (!pause_->passed()) {
      loop_.wake_at(*pause_);
      return {};
    }
    pause_.reset();
  }
  for (int i = 0; !acceptable_->armed() && !pause_; ++i) {
    if (i == kTriesInARow) {
      loop_.wake_now();
      return {};
    }
    Descriptor socket = accept_one();
    if (!socket) continue;
    try {
      auto stream = std::make_unique<TcpStream>(loop_, std::move(socket));
      stream->set_keep_alive(keep_alive_);
      return std::make_unique<TcpLink>(loop_, std::move(stream));
    } catch (const Error&) {
      // It was lost before it was looked at.
    }
  }
  return {};
}

// Nothing when there was none to accept, having seen to the next try.
Descriptor TcpAcceptor::accept_one() {
  Descriptor socket(::accept4(socket_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (socket) return socket;
  const int error = errno;
  if (error == EAGAIN || error == EWOULDBLOCK) acceptable_->arm(POLLIN);
  if (out_of_resources(error)) {
    pause_ = Deadline::in(std::chrono::milliseconds(100));
    loop_.wake_at(*pause_);
  }
  if (error == EBADF || error == EINVAL || error == ENOTSOCK) throw_errno(error, Status::kNetwork, attempt_);
  return {};  // anything else is an error of the connection, not of the listener
}

std::unique_ptr<Acceptor> listen_tcp(Loop& loop, const std::string& port, const FabricOptions& options) {
  auto acceptor = std::make_unique<TcpAcceptor>(loop, port, options);
  acceptor->start();
  return acceptor;
}

}  // namespace rdpipe
