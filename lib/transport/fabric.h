// Where links come from: connecting to a peer, and accepting from one port on all fabrics.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ground/deadline.h"
#include "transport/link.h"

namespace rdpipe {

enum class FabricChoice : std::uint8_t { kAuto, kRdma, kTcp };
enum class AddressFamily : std::uint8_t { kAny, kIpv4, kIpv6 };

struct FabricOptions {
  FabricChoice choice = FabricChoice::kAuto;
  AddressFamily family = AddressFamily::kAny;
  std::string device{};   // RDMA device to use; empty: by route
  int gid_index = -1;     // -1: the device's or rdma_cm's choice
  std::string address{};  // local address to bind; empty: any
  Nanoseconds keep_alive = std::chrono::seconds(10);
};

// Whether TCP will not do.
[[nodiscard]] inline bool demands_rdma(const FabricOptions& options) {
  return options.choice == FabricChoice::kRdma || !options.device.empty();
}

struct PeerAddress {
  std::string host;  // name or literal, brackets taken off
  std::string port;  // number or service name
};

// Connects to `peer`, trying again until `deadline`: RDMA first where there is a route for it, then TCP
// (kAuto). Sleeps in `loop`. `notice` hears, once, why TCP is used under kAuto. Throws Error{kConnectTimeout}
// that says what each kind of try last answered; Error{kEndpoint} at once for an unknown host that no retry
// can help, for a device that does not exist or where RDMA was asked for and there is none.
[[nodiscard]] std::unique_ptr<Link> connect(Loop& loop, const PeerAddress& peer, const FabricOptions& options,
                                            Deadline deadline,
                                            const std::function<void(const std::string&)>& notice);

// Listens on one port of every fabric that `options` allows: RDMA bound first and TCP last (for port 0 TCP
// chooses). Accepts; what it yields is connected but a stranger. Strangers are bounded elsewhere (session).
class Acceptor {
 public:
  virtual ~Acceptor() = default;
  // A new link, after doing all the work that needs no waiting; nothing when the caller may sleep.
  [[nodiscard]] virtual std::unique_ptr<Link> poll() = 0;
  [[nodiscard]] virtual std::uint16_t port() const = 0;
  // What it listens on, for people: "RDMA (rxe0) and TCP".
  [[nodiscard]] virtual std::string describe() const = 0;
};

// Throws Error{kNetwork} "Address already in use", Error{kEndpoint} for an address or device that is not
// there.
[[nodiscard]] std::unique_ptr<Acceptor> listen(Loop& loop, const std::string& port,
                                               const FabricOptions& options,
                                               const std::function<void(const std::string&)>& notice);

}  // namespace rdpipe
