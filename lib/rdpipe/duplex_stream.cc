#include "rdpipe/duplex_stream.h"

#include <utility>

#include "ground/error.h"
#include "rdpipe/attach_ring.h"
#include "rdpipe/fabric_options.h"
#include "transport/fabric.h"

namespace rdpipe {

void require_valid(const DuplexOptions& options) {
  static_cast<void>(duplex_ring_shape(options.connection));
  Options others = options.connection;
  others.ring_size = others.slot_size = 0;
  require_valid(others);
}

std::unique_ptr<DuplexStream> DuplexStream::connect(const std::string& host, const std::string& port,
                                                    std::string_view key, const DuplexOptions& options,
                                                    Deadline deadline) {
  require_valid(options);
  const Key shared_key{Secret(key)};
  Loop loop(LoopOptions{.use_uring = false});  // its workers, for names and scrypt, go with it
  auto link = rdpipe::connect(loop, peer_address(host, port), fabric_options(options.connection), deadline,
                              notice_of(options.connection));
  auto session = authenticate(loop, std::move(link), shared_key, deadline);
  auto stream = std::make_unique<DuplexStream>(std::move(session), options);
  try {
    while (!stream->agreed()) {
      if (deadline.passed()) {
        throw Error(Status::kConnectTimeout, "connect to " + host, "it did not answer in time");
      }
      loop.wait(deadline);
    }
  } catch (const Error& error) {
    stream->dismiss(error);
    throw;
  }
  return stream;
}

DuplexStream::DuplexStream(std::unique_ptr<Session> session, const DuplexOptions& options)
    : busy_poll_(options.busy_poll), session_(std::move(session)) {
  const RingShape shape = duplex_ring_shape(options.connection);
  const auto notice = notice_of(options.connection);
  try {
    auto rings = attach_rings(session_->link(), shape, 2, notice, Duplex::kLeastSlots);
    sending_ = std::move(rings.front());
    receiving_ = std::move(rings.back());
  } catch (const Error& error) {
    dismiss(error);
    throw;
  }
  Offer offer;
  offer.role = Role::kBoth;
  offer.content = Content::kDuplex;
  offer.slot_size = static_cast<std::uint32_t>(sending_->shape().slot_size);
  offer.digest = options.connection.checksum ? Choice::kAuto : Choice::kNo;
  offer.seal = seal_choice(options.connection);
  session_->offer(offer);
}

bool DuplexStream::agreed() {
  if (duplex_) return true;
  if (!session_->agreed()) return false;
  session_->link().move_to(loop_);
  duplex_.emplace(loop_, *session_, *sending_, *receiving_, busy_poll_);
  return true;
}

void DuplexStream::dismiss(const Error& error) noexcept {
  try {
    session_->dismiss(error);
    static_cast<void>(session_->link().poll());
  } catch (...) {  // NOLINT(bugprone-empty-catch): the first failure is the one to report
  }
}

}  // namespace rdpipe
