#include "transport/tcp_link.h"

#include <cassert>
#include <cerrno>
#include <utility>

#include "ground/error.h"
#include "io/loop.h"

namespace rdpipe {

TcpLink::TcpLink(Loop& loop, std::unique_ptr<ByteStream> stream) : loop_(&loop), stream_(std::move(stream)) {}

void TcpLink::post_send(Slot slot) {
  assert(slot && credits_ > 0 && !closing_);
  --credits_;
  writer_.queue_data(std::move(slot));
  want_write();
}

void TcpLink::post_receive(Slot slot) {
  reader_.post(std::move(slot));
  writer_.add_grants(1);
  if (grants_are_due()) want_write();
}

void TcpLink::post_control(std::span<const std::byte> bytes) {
  assert(!bytes.empty() && bytes.size() <= kMaxControlPayload && !closing_);
  writer_.queue_control(bytes);
  want_write();
}

// At once: whoever closes need not look again.
void TcpLink::close() {
  closing_ = true;
  if (may_write()) flush();
}

void TcpLink::move_to(Loop& loop) {
  loop_ = &loop;
  stream_->move_to(loop);
}

bool TcpLink::may_write() const { return write_error_ == 0 && !finished_ && stream_->can_write(); }

// After a failure to write also without being told: what arrived before the reset is still to be had.
bool TcpLink::may_read() const { return write_error_ != 0 || wake_ == Wake::kNever || stream_->can_read(); }

// A quarter of what is posted, so that the peer does not run dry while its grants are on the way and small
// frames stay rare; with few slots posted, each at once.
bool TcpLink::grants_are_due() const {
  return writer_.ungranted() > 0 && 4 * writer_.ungranted() >= reader_.posted() && !closing_ && !peer_closed_;
}

// Writing waits for poll(), so that what is posted in a row leaves in one write; no descriptor announces it.
void TcpLink::want_write() {
  if (may_write()) loop_->wake_now();
}

std::optional<LinkEvent> TcpLink::poll() {
  if (may_write()) flush();
  // A peer that sends nothing but frames without events must not keep the thread.
  constexpr int kReadsInARow = 16;
  int reads = 0;
  while (events_.empty() && !peer_closed_ && may_read()) {
    if (++reads > kReadsInARow) {
      loop_->wake_now();
      return {};
    }
    if (!receive()) break;
  }
  if (!events_.empty()) return take_first(events_);
  if (write_error_ != 0) throw_lost(write_error_);
  if (const int error = stream_->check_alive(); error != 0) throw_lost(error);
  return {};
}

void TcpLink::flush() {
  if (writer_.empty() && grants_are_due()) writer_.queue_credits();
  if (writer_.empty() && !closing_) return;
  while (!writer_.empty() && may_write()) {
    std::span<iovec> parts;
    reader_.grant(writer_.parts(parts));
    const ByteStream::Moved moved = stream_->write(parts);
    write_error_ = moved.error;
    writer_.sent(moved.bytes, events_);
  }
  if (closing_ && !finished_ && writer_.empty()) {
    stream_->finish();
    finished_ = true;
  }
  if (events_.empty() && drained()) loop_->wake_now();  // no event says so
}

// False when nothing had arrived.
bool TcpLink::receive() {
  const ByteStream::Moved moved = stream_->read(reader_.parts());
  if (moved.error != 0) throw_lost(write_error_ != 0 ? write_error_ : moved.error);
  if (moved.end) end_of_stream();
  const std::size_t before = credits_;
  reader_.take(moved.bytes, events_, credits_);
  if (before == 0 && credits_ > 0) loop_->wake_now();  // no event says so
  return moved.bytes > 0;
}

void TcpLink::end_of_stream() {
  // The kernel tells of a reset once: whoever wrote then has heard it, and reading ends as if in good order.
  if (write_error_ != 0) throw_lost(write_error_);
  if (!reader_.between_frames()) {
    throw Error(Status::kNetwork, "connection to " + info().peer, "ended in the middle of a frame");
  }
  peer_closed_ = true;
  events_.emplace_back(PeerClosed{});
}

void TcpLink::throw_lost(int error) const {
  throw_errno(error, Status::kNetwork, "connection to " + info().peer);
}

}  // namespace rdpipe
