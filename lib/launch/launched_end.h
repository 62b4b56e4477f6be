// The other side of remote_end.h: an rdcp that a launcher has started, which hears it on standard input. When
// that ends, so does this. One thread, its loop's.
#pragma once

#include <memory>
#include <string>

#include "ground/descriptor.h"
#include "launch/greeting.h"
#include "launch/reach.h"

namespace rdpipe {

class LaunchedEnd {
 public:
  // Takes over both descriptors.
  LaunchedEnd(Descriptor in, Descriptor out) : in_(std::move(in)), out_(std::move(out)) {}

  // Throws Error{kProtocol}; {kSignal} when nothing comes at all.
  [[nodiscard]] Orders take_orders();
  // Tells the launcher; once.
  void refuse(int status, const std::string& text) noexcept;

  // Says that it is ready, where `door` can be reached, and obeys until there is a session: through the door
  // (none: it does not listen), to an address that the launcher names, or over both descriptors. Throws when
  // the launcher is gone.
  [[nodiscard]] std::unique_ptr<Session> await_session(Loop& loop, Doorway* door, const Contact& contact,
                                                       const Key& key, const FabricOptions& options);

  // Readable when the launcher says more or is gone; -1 once the frames go there.
  [[nodiscard]] int launcher_fd() const { return in_.get(); }
  // Throws Error{kSignal} when it is gone.
  void check_launcher();

 private:
  [[nodiscard]] std::string read_line();
  void say(const std::string& line) const;
  [[nodiscard]] std::unique_ptr<Session> obey(Loop& loop, const std::string& line, const Key& key,
                                              const FabricOptions& options);
  [[nodiscard]] std::unique_ptr<Session> through_descriptors(Loop& loop, bool connects, const Key& key);

  Descriptor in_, out_;
};

}  // namespace rdpipe
