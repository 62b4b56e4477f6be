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
  // Connects, and shows the key. Throws Error.
  NextLink(Loop& loop, const NextReceiver& next, const Options& options);

  // Agrees on what `offer` is about; it comes in over the fabric `from`. How long the next receiver prepares
  // for it is its own affair.
  void agree(const Offer& offer, Fabric from);
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
  bool copies_ = false;         // into ring_, what then goes out
  std::unique_ptr<Ring> ring_;  // outlives the link
  std::unique_ptr<Session> session_;
};

}  // namespace rdpipe
