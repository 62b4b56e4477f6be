// A connected TCP socket as a ByteStream. Owns the socket. Thread of its loop.
#pragma once

#include <cstdint>
#include <optional>

#include "ground/descriptor.h"
#include "io/loop.h"
#include "transport/byte_stream.h"

namespace rdpipe {

class TcpStream final : public ByteStream {
 public:
  // `socket` is connected and non-blocking. Throws Error{kNetwork} when it is already lost.
  TcpStream(Loop& loop, Descriptor socket);
  ~TcpStream() override;

  [[nodiscard]] Moved read(std::span<iovec> parts) override;
  [[nodiscard]] Moved write(std::span<iovec> parts) override;
  [[nodiscard]] bool can_read() const override { return !readable_->armed(); }
  [[nodiscard]] bool can_write() const override { return !writable_->armed(); }
  void finish() override;
  void set_keep_alive(Nanoseconds limit) override;
  [[nodiscard]] int check_alive() override;
  void move_to(Loop& loop) override;
  [[nodiscard]] const LinkInfo& info() const override { return info_; }

 private:
  [[nodiscard]] bool peer_is_dead(Clock::time_point now);

  Loop* loop_;
  Descriptor socket_;
  std::optional<Watch> readable_, writable_;  // armed while the stream is drained, or full
  LinkInfo info_;
  bool finished_ = false;
  Nanoseconds keep_alive_ = std::chrono::seconds(10);
  // While data may be unacknowledged: since when, and when to look again. The kernel's keep-alive only covers
  // an idle connection.
  std::optional<Clock::time_point> busy_since_;
  Clock::time_point look_again_;
};

// Shared by connecting and accepting: no delay, keep-alive, buffer sizes.
void tune_tcp(int socket);

}  // namespace rdpipe
