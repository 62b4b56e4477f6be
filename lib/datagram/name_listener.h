// Answers which queue pair an endpoint has: one port (rdma_cm, SIDR) for all endpoints of a process,
// whichever thread each belongs to. Belongs to the thread of its loop.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "datagram/names.h"
#include "ground/deadline.h"
#include "io/loop.h"
#include "transport/address.h"
#include "verbs/connection.h"

namespace rdpipe {

class __attribute__((visibility("default"))) NameListener {
 public:
  // Listens on `port` ("0": one that is free). Answers only what comes in over that port of `device`, where
  // the endpoints are. Throws Error{kNetwork} "Address already in use", Error{kEndpoint} for an address that
  // is not there.
  NameListener(Loop& loop, const std::string& port, const FabricOptions& options, DevicePort device);
  NameListener(const NameListener&) = delete;
  NameListener& operator=(const NameListener&) = delete;
  ~NameListener();

  void add(const std::string& name, const DatagramIdentity& endpoint);
  void remove(const std::string& name);

  // Answers whoever has asked; the caller may then wait in the loop.
  void poll();

  [[nodiscard]] std::uint16_t port() const;
  [[nodiscard]] std::uint64_t answered() const noexcept { return answered_; }

 private:
  [[nodiscard]] int try_listen(const SocketAddress& address, const FabricOptions& options);
  void answer(ConnectionEvent question);
  [[nodiscard]] const DatagramIdentity* find(const std::string& name);

  Loop& loop_;
  DevicePort device_;
  std::map<std::string, DatagramIdentity> endpoints_;
  std::string last_;  // that was given to one who asked for any: they take turns
  std::uint64_t answered_ = 0;
  EventChannel channel_;
  ConnectionId id_;
  Watch watch_;
};

}  // namespace rdpipe
