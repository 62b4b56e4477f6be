// One client of a server that was admitted: its order, carried out on a thread of its own, and what became of
// it. Belongs to the server's thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ground/descriptor.h"
#include "ground/error.h"
#include "io/loop.h"
#include "rdpipe/serve.h"
#include "serve/client_thread.h"
#include "serve/places.h"
#include "session/session.h"

namespace rdpipe {

struct ServedOrder {
  std::string key{};  // its name
  ServedCopy wanted{};
  Descriptor directory{};  // all of what it may reach
  Places::Place place{};
};

class ServedClient {
 public:
  // Carries `order` out. `options` are the server's, for each client. Throws Error{kMemory}; the session is
  // then still there.
  ServedClient(Loop& loop, std::unique_ptr<Session>& session, ServedOrder order, const Options& options);
  ~ServedClient();  // cuts it

  void poll() { thread_.poll(); }
  void cut() { thread_.cut(); }
  // Bytes of content that have moved since this was last asked.
  [[nodiscard]] std::uint64_t take_moved();
  [[nodiscard]] bool ended() const { return thread_.ended(); }
  // After its end.
  [[nodiscard]] const ServedTransfer& result();
  [[nodiscard]] const std::vector<std::string>& lines() const;  // what there was to say on the way
  [[nodiscard]] std::unique_ptr<Session> take_unserved() { return thread_.take_unserved(); }

 private:
  struct Outcome;
  [[nodiscard]] LoopOptions loop_options() const;
  std::unique_ptr<Outcome> outcome_;
  std::uint64_t taken_ = 0;
  ClientThread thread_;
};

}  // namespace rdpipe
