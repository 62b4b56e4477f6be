// The link of a chain that leads on: the session with the next receiver, and the ring that frames go out in.
// Thread of its loop.
#pragma once

#include <memory>
#include <vector>

#include <rdpipe/connection.h>

#include "rdpipe/attach_ring.h"
#include "session/session.h"
#include "stream/sink.h"

namespace rdpipe {

class NextLink {
 public:
  // Connects, and shows the key, which goes with `next`. Throws Error.
  NextLink(Loop& loop, NextReceiver next, const Options& options);

  // Agrees on what `offer` is about, which has come from `sender`. The next receiver may take its time to
  // prepare for it, but for Options::timeout, and as long as the sender is there.
  void agree(const Offer& offer, Session& sender);
  // Of the ring that what comes in over `from` lies in: frames go on as they came.
  [[nodiscard]] RingShape ring_shape(Fabric from) const;
  // Adds the link where it must reach that ring.
  void add_to(std::vector<Link*>& links) const;
  // What sends on what it is given, and to `own`, which may be null, too. It comes in on `terms`.
  [[nodiscard]] std::shared_ptr<Sink> sink(std::shared_ptr<Sink> own, const Terms& terms);

  [[nodiscard]] Session& session() const { return *session_; }
  // Tells the next receiver what has failed, where `sender` is the other link's session.
  void dismiss(const Error& error, const Session& sender) noexcept;
  void finish(Nanoseconds limit) noexcept;

 private:
  [[nodiscard]] Fabric fabric() const { return session_->link().info().fabric; }

  Loop& loop_;
  Options options_;
  bool copies_ = false;         // into ring_, what then goes out, here or by workers
  bool buffers_ = false;        // what then lies where the link does not reach
  std::unique_ptr<Ring> ring_;  // outlives the link
  std::unique_ptr<Session> session_;
};

// Of what goes on: one slot more than frames that may be on their way, with room for payloads if it `copies`.
[[nodiscard]] RingShape carrier_shape(RingShape incoming, bool copies);

}  // namespace rdpipe
