// Two descriptors, one to read and one to write, as a ByteStream: the frames of a connection through a remote
// shell's standard input and output. Owns both. A pipe cannot be reset: an end that went away without a word
// looks like one that has closed, and only the session tells the difference. Thread of its loop.
#pragma once

#include <optional>
#include <string>

#include "ground/descriptor.h"
#include "io/loop.h"
#include "transport/byte_stream.h"

namespace rdpipe {

class PipeStream final : public ByteStream {
 public:
  // Descriptors that do not block, or that somebody else shares: those are never made non-blocking, but a
  // pipe is opened again, a socket is asked not to wait, and anything else is polled and given little at a
  // time. `peer` is for messages.
  PipeStream(Loop& loop, Descriptor in, Descriptor out, const std::string& peer);

  [[nodiscard]] Moved read(std::span<iovec> parts) override;
  [[nodiscard]] Moved write(std::span<iovec> parts) override;
  [[nodiscard]] bool can_read() const override { return !readable_->armed(); }
  [[nodiscard]] bool can_write() const override { return !writable_->armed(); }
  void finish() override;
  void set_keep_alive(Nanoseconds) override {}  // the shell's own
  [[nodiscard]] int check_alive() override { return 0; }
  void move_to(Loop& loop) override;
  [[nodiscard]] const LinkInfo& info() const override { return info_; }

 private:
  enum class Way : unsigned char { kNonBlocking, kSocket, kPolled };
  [[nodiscard]] static Way prepare(Descriptor& fd, int flags);

  Loop* loop_ = nullptr;
  Descriptor in_, out_;
  Way read_way_, write_way_;
  std::optional<Watch> readable_, writable_;  // armed while the stream is drained, or full
  LinkInfo info_;
};

}  // namespace rdpipe
