#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "ground/error.h"
#include "transport/address.h"
#include "transport/tcp.h"
#include "transport/tcp_link.h"
#include "transport/tcp_stream.h"

namespace rdpipe {
namespace {

// For one address of several: a host that does not answer must not keep the others from being tried.
constexpr auto kPatience = std::chrono::seconds(5);

// What a worker finds; it may outlive the dial.
struct Resolved {
  std::vector<SocketAddress> remote, local;
};

const SocketAddress* find_family(const std::vector<SocketAddress>& addresses, int family) {
  const auto fits = [&](const SocketAddress& address) { return address.family() == family; };
  const auto found = std::find_if(addresses.begin(), addresses.end(), fits);
  return found == addresses.end() ? nullptr : &*found;
}

// Finds the local addresses, and drops the peer's that cannot be reached from any of them.
void keep_reachable(Resolved& found, const FabricOptions& options) {
  found.local = resolve({options.address, "0"}, options.family, Purpose::kBind);
  std::erase_if(found.remote,
                [&](const auto& to) { return find_family(found.local, to.family()) == nullptr; });
  if (!found.remote.empty()) return;
  throw Error(Status::kEndpoint, "connect from " + printable(options.address),
              "the peer has no address of its family");
}

// Nobody listened, and the kernel chose the very port that was dialled: TCP then connects a socket to itself.
bool met_itself(int socket) {
  const SocketAddress local = local_address(socket), peer = peer_address(socket);
  return local.port() == peer.port() && local.same_address(peer);
}

class TcpDial final : public Dial {
 public:
  TcpDial(Loop& loop, const PeerAddress& peer, const FabricOptions& options);
  std::unique_ptr<Link> poll() override;

 private:
  void try_address(const SocketAddress& address);
  void bind_local(int family);
  [[nodiscard]] bool connected();
  void fail(int error);
  [[nodiscard]] std::unique_ptr<Link> make_link();

  Loop& loop_;
  FabricOptions options_;
  std::string attempt_;  // "connect to host:port"
  Operation resolving_;
  std::shared_ptr<Resolved> found_ = std::make_shared<Resolved>();
  std::size_t next_ = 0;  // of found_->remote
  Descriptor socket_;
  std::optional<Watch> answered_;
  Deadline patience_ = Deadline::never();
  int last_error_ = EHOSTUNREACH;
};

TcpDial::TcpDial(Loop& loop, const PeerAddress& peer, const FabricOptions& options)
    : loop_(loop), options_(options), attempt_("connect to " + endpoint_text(peer)) {
  const auto job = [peer, options, found = found_]() -> std::int64_t {
    found->remote = resolve(peer, options.family, Purpose::kConnect);
    if (!options.address.empty()) keep_reachable(*found, options);
    return 0;
  };
  loop_.run(resolving_, job, Abandon::kDetach);
}

std::unique_ptr<Link> TcpDial::poll() {
  if (resolving_.pending()) return {};
  if (resolving_.done()) resolving_.take();  // throws what the name service said
  for (;;) {
    if (socket_) {
      if (connected()) return make_link();
      if (socket_) return {};
    }
    if (next_ == found_->remote.size()) throw_errno(last_error_, Status::kNetwork, attempt_);
    try_address(found_->remote[next_++]);
  }
}

void TcpDial::try_address(const SocketAddress& address) {
  socket_ = Descriptor(::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP));
  if (!socket_) return fail(errno);
  bind_local(address.family());
  if (::connect(socket_.get(), address.get(), address.size) != 0 && errno != EINPROGRESS) return fail(errno);
  answered_.emplace(loop_, socket_.get());
  answered_->arm(POLLOUT);
  patience_ = Deadline::in(kPatience);
}

void TcpDial::bind_local(int family) {
  if (options_.address.empty()) return;
  const SocketAddress* local = find_family(found_->local, family);
  const std::string attempt = "connect from " + printable(options_.address);
  check(::bind(socket_.get(), local->get(), local->size), Status::kEndpoint, attempt);
}

// Neither true nor failed: the caller may sleep.
bool TcpDial::connected() {
  if (answered_->armed()) {
    if (patience_.passed()) {
      fail(ETIMEDOUT);
    } else {
      loop_.wake_at(patience_);
    }
    return false;
  }
  int error = 0;
  socklen_t size = sizeof error;
  check(::getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &size), Status::kNetwork, attempt_);
  if (error == 0 && met_itself(socket_.get())) error = ECONNREFUSED;
  if (error != 0) fail(error);
  return error == 0;
}

void TcpDial::fail(int error) {
  last_error_ = error;
  answered_.reset();
  socket_.reset();
}

std::unique_ptr<Link> TcpDial::make_link() {
  answered_.reset();
  auto stream = std::make_unique<TcpStream>(loop_, std::move(socket_));
  stream->set_keep_alive(options_.keep_alive);
  return std::make_unique<TcpLink>(loop_, std::move(stream));
}

}  // namespace

std::unique_ptr<Dial> dial_tcp(Loop& loop, const PeerAddress& peer, const FabricOptions& options) {
  return std::make_unique<TcpDial>(loop, peer, options);
}

}  // namespace rdpipe
