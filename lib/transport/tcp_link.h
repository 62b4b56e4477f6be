// A Link over a byte stream: TCP, where there is no RDMA route. Owns the stream and the slots posted to it.
// Credits for data frames as on RDMA, carried in any frame's header, so that a receiver that is out of slots
// never stops control frames. Thread of its loop.
#pragma once

#include <deque>
#include <memory>
#include <optional>

#include "transport/byte_stream.h"
#include "transport/frame_reader.h"
#include "transport/frame_writer.h"
#include "transport/link.h"

namespace rdpipe {

class TcpLink final : public Link {
 public:
  TcpLink(Loop& loop, std::unique_ptr<ByteStream> stream);

  void attach(Ring&) override {}  // the kernel reaches all memory
  void post_send(Slot slot) override;
  void post_receive(Slot slot) override;
  void post_control(std::span<const std::byte> bytes) override;
  [[nodiscard]] std::size_t send_credits() const override { return credits_; }
  [[nodiscard]] bool drained() const override { return writer_.empty() && (!closing_ || finished_); }
  [[nodiscard]] std::optional<LinkEvent> poll() override;
  void wake_for(Wake what) override { wake_ = what; }
  [[nodiscard]] bool held_back() const override { return !writer_.empty() || grants_are_due(); }
  [[nodiscard]] bool peer_closed() const override { return peer_closed_; }
  void close() override;
  void move_to(Loop& loop) override;
  void set_keep_alive(Nanoseconds limit) override { stream_->set_keep_alive(limit); }
  [[nodiscard]] const LinkInfo& info() const override { return stream_->info(); }

 private:
  [[nodiscard]] bool may_write() const;
  [[nodiscard]] bool may_read() const;
  [[nodiscard]] bool grants_are_due() const;
  void want_write();
  void flush();
  bool receive();
  void end_of_stream();
  [[noreturn]] void throw_lost(int error) const;

  Loop* loop_;
  std::unique_ptr<ByteStream> stream_;
  FrameReader reader_;
  FrameWriter writer_;
  std::deque<LinkEvent> events_;
  std::size_t credits_ = 0;  // data frames that the peer still takes
  Wake wake_ = Wake::kAll;
  int write_error_ = 0;    // thrown when all that the peer sent before was read
  bool closing_ = false;   // close() was called
  bool finished_ = false;  // and everything before it was written
  bool peer_closed_ = false;
};

}  // namespace rdpipe
