// A connection with a stream in each direction, with all that it is made of: loop, rings, session, duplex.
// One thread at a time; it has no other. (The loop is one of poll(2): io_uring is bound to one thread.)
#pragma once

#include <rdpipe/options.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "ground/deadline.h"
#include "io/loop.h"
#include "ring/ring.h"
#include "session/session.h"
#include "stream/duplex.h"

namespace rdpipe {

struct DuplexOptions {
  Options connection;  // sizes are of each direction; `timeout`, `hash` and `use_uring` count for nothing
  std::optional<Nanoseconds> busy_poll{};  // as io/busy_poll.h says
};

void require_valid(const DuplexOptions& options);  // throws Error{kUsage}

class DuplexStream {
 public:
  // Tries until `deadline`. Throws Error.
  [[nodiscard]] static std::unique_ptr<DuplexStream> connect(const std::string& host, const std::string& port,
                                                             std::string_view key,
                                                             const DuplexOptions& options, Deadline deadline);
  // Begins to agree, on whatever loop the session's link is on.
  DuplexStream(std::unique_ptr<Session> session, const DuplexOptions& options);
  // Whether the other end has agreed; duplex() is then there, on a loop of its own. False while the caller
  // may sleep.
  [[nodiscard]] bool agreed();
  // Tells the other end why nothing will come of it.
  void dismiss(const Error& error) noexcept;

  [[nodiscard]] Duplex& duplex() { return *duplex_; }
  [[nodiscard]] const std::string& peer() const { return session_->terms().peer_host; }
  [[nodiscard]] const LinkInfo& link() const { return session_->link().info(); }

 private:
  // In the order of their lives.
  Loop loop_{LoopOptions{.use_uring = false}};
  std::optional<Nanoseconds> busy_poll_;
  std::unique_ptr<Ring> sending_, receiving_;
  std::unique_ptr<Session> session_;
  std::optional<Duplex> duplex_;
};

}  // namespace rdpipe
