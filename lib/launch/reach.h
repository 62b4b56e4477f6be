// The two ways to the data connection: listening on a port of a range, and trying the addresses that the
// other end has listed. Both sleep in, and belong to the thread of, their loop.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "launch/greeting.h"
#include "session/session.h"
#include "transport/fabric.h"

namespace rdpipe {

struct PortRange {
  std::uint16_t low = 0, high = 0;  // 0: any
};

// Listens, and lets in who knows the key.
class Doorway {
 public:
  // Throws as listen() where no port of the range can be had. `notice` hears why what comes cannot be RDMA
  // although this host has it; may be empty.
  Doorway(Loop& loop, PortRange range, const Key& key, const FabricOptions& options,
          const std::function<void(const std::string&)>& notice = {});
  // The session of who came; nothing when the caller may sleep.
  [[nodiscard]] std::unique_ptr<Session> poll() { return lobby_.poll(); }
  // Where: on `address`, or on all of this host's, of which `known` can be reached for sure.
  [[nodiscard]] Contact contact(const FabricOptions& options, const std::string& address,
                                const std::string& known) const;

 private:
  std::unique_ptr<Acceptor> acceptor_;
  Lobby lobby_;
};

struct Reached {
  std::unique_ptr<Session> session;  // null: nobody answered who knows the key
  std::string why_not{};             // what the tries were told; with a session, why it is not RDMA
};
// Tries all addresses over RDMA, where both ends have it, and then all over TCP, one after the other in short
// steps without giving up those that are slow to answer. Takes 6 s at most. Throws only what interrupts the
// loop, and Error{kEndpoint} where RDMA was asked for and this host has none.
[[nodiscard]] Reached reach(Loop& loop, const Contact& contact, const Key& key, const FabricOptions& options);

}  // namespace rdpipe
