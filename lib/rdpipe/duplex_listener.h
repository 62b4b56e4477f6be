// Who waits for streams in both directions: strangers become streams when they have shown the key and agreed.
// One thread at a time, which may be another than those of the streams it has given.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "rdpipe/duplex_stream.h"
#include "transport/fabric.h"

namespace rdpipe {

class DuplexListener {
 public:
  // `port` "0": a free one. Throws Error.
  DuplexListener(const std::string& port, std::string_view key, const DuplexOptions& options);
  [[nodiscard]] std::uint16_t port() const { return acceptor_->port(); }
  // The next stream; null: the deadline has passed. Nobody's failure is the listener's: it is a notice. One
  // who knows the key and then says nothing keeps nobody waiting; sixteen at once do, for connect_timeout.
  [[nodiscard]] std::unique_ptr<DuplexStream> accept(Deadline deadline);

 private:
  struct Arrival {
    std::unique_ptr<DuplexStream> stream;
    std::string peer;
    Deadline deadline = Deadline::never();
  };
  void admit();
  [[nodiscard]] std::unique_ptr<DuplexStream> take_agreed();
  [[nodiscard]] bool advance(Arrival& arrival, std::unique_ptr<DuplexStream>& agreed);

  DuplexOptions options_;
  std::function<void(const std::string&)> notice_;
  Loop loop_{LoopOptions{.use_uring = false}};
  std::unique_ptr<Acceptor> acceptor_;
  Lobby lobby_;
  std::list<Arrival> arriving_;  // authenticated, and not agreed yet
};

}  // namespace rdpipe
