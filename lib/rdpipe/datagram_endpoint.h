// An endpoint of datagrams with its names, as other programs have it: it answers, in its own loop and within
// calls, who asks for it or for others of the process, keeps them in the registry of RDPIPE_REGISTRY, and
// finds others. One thread at a time. (The loop is one of poll(2): io_uring is bound to one thread.)
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "datagram/datagram.h"
#include "datagram/find.h"
#include "datagram/name_listener.h"
#include "datagram/registration.h"
#include "ground/deadline.h"
#include "io/loop.h"
#include "transport/fabric.h"

namespace rdpipe {

struct DatagramEndpointOptions {
  FabricOptions fabric{};
  std::size_t max_payload = 0;                       // bytes; 0: what a packet holds
  std::size_t receives = 512;                        // buffers
  std::string host{};                                // in the registry; empty: this host's name
  std::optional<Nanoseconds> busy_poll{};            // as io/busy_poll.h says
  std::function<void(const std::string&)> notice{};  // never empty
};

class DatagramEndpoint {
 public:
  // Throws Error{kEndpoint} where there is no device for it, Error{kMemory}, Error{kNetwork}.
  explicit DatagramEndpoint(DatagramEndpointOptions options);

  [[nodiscard]] const Datagram& datagram() const noexcept { return datagram_; }

  // Answers for names at this port ("0": a free one), and returns it. Once. Throws as NameListener does, and
  // as Registry.
  std::uint16_t listen(const std::string& port);
  // Of this endpoint, or another on the same device, of which only what never changes is looked at. Throws
  // Error{kUsage}, and Error{kNetwork} where the registry does not answer.
  void add_name(const std::string& name, const DatagramEndpoint& named);
  void remove_name(const std::string& name);

  // "HOST:PORT/NAME", in the registry where there is one. Throws as find_registered() does, and
  // Error{kEndpoint} where the way there is over another device.
  [[nodiscard]] FoundEndpoint find(std::string_view text, Deadline deadline);

  // Return how many were sent or received by then.
  std::size_t send(std::span<const OutgoingDatagram> datagrams, Deadline deadline);
  std::size_t receive(std::span<IncomingDatagram> into, Deadline deadline);
  bool flush(Deadline deadline);  // false where not everything was sent by then

 private:
  void tend();
  void answer();
  [[nodiscard]] NameListener& listener(const std::string& name);
  [[nodiscard]] std::string text_at(const std::string& host, const std::string& name) const;
  [[nodiscard]] std::string registered(const std::string& name) const;

  // In the order of their lives.
  DatagramEndpointOptions options_;
  DevicePort port_;
  Loop loop_{LoopOptions{.use_uring = false}};
  Datagram datagram_;
  std::optional<NameListener> listener_;
  std::optional<Registration> registration_;
  Deadline look_again_ = Deadline::now();  // whether anybody has asked
};

}  // namespace rdpipe
