// Finds endpoints by name: asks the host through rdma_cm (SIDR). These sleep in the loop of the thread that
// calls them.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "datagram/names.h"
#include "ground/deadline.h"
#include "io/loop.h"
#include "verbs/datagram_queue.h"

namespace rdpipe {

enum class Asked : std::uint8_t {
  kFound,
  kNoName,   // the host answers, and has no endpoint of this name
  kNoOne,    // the host's kernel answers: nobody listens there
  kSilence,  // no answer
  kNoRoute,  // could not be asked
};

struct FoundEndpoint {
  Asked outcome = Asked::kSilence;
  std::string cause;  // where it was not found
  DatagramAddress address;
  std::uint16_t endpoints = 0;  // behind that port
  std::size_t max_payload = 0;  // of its receives, bytes
  DevicePort port;              // of this host, which the route leads to; empty for kNoRoute
  Nanoseconds round_trip{0};    // of the question, for all but kSilence and kNoRoute
  bool answered() const { return outcome <= Asked::kNoOne; }
};

// Called whenever a wait for an answer has ended: what else is to be done in the same loop. May be empty.
using Meanwhile = std::function<void()>;

// A host's addresses and the routes there, looked up once; to be asked as often as one likes.
class __attribute__((visibility("default"))) NameServer {
 public:
  // Asks the name service. Throws Error{kEndpoint} for a host that is not known, or no RDMA device, and
  // Error{kConnectTimeout} at the deadline.
  NameServer(Loop& loop, const PeerAddress& peer, const FabricOptions& options, Deadline deadline);
  NameServer(NameServer&&) noexcept;
  NameServer& operator=(NameServer&&) = delete;
  ~NameServer();

  // Asks once; each of the host's addresses in turn, for its share of the time, until one answers, and from
  // then on that one.
  [[nodiscard]] FoundEndpoint ask(const std::string& name, Deadline deadline,
                                  const Meanwhile& meanwhile = {});

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Asks again where there is silence, a second for each question. Throws Error{kConnectTimeout} at the
// deadline, Error{kEndpoint} where the answer is no.
[[nodiscard]] __attribute__((visibility("default"))) FoundEndpoint find_endpoint(
    Loop& loop, const EndpointName& name, const FabricOptions& options, Deadline deadline,
    const Meanwhile& meanwhile = {});

// A port for endpoints that do not yet know of a peer: the device and address that the options name, or the
// first port that is up. Throws Error{kEndpoint}.
[[nodiscard]] __attribute__((visibility("default"))) DevicePort usable_port(const FabricOptions& options);

// What other hosts may call this one, where a NameListener has these options: an IP address that it listens
// on, or, where the device has none, this host's name.
[[nodiscard]] __attribute__((visibility("default"))) std::string host_of(const DevicePort& port,
                                                                         const FabricOptions& options);

}  // namespace rdpipe
