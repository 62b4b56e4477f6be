// A sink that sends the stream on to the next receiver as it comes and, where there is one, gives it to a
// sink of this host, too: a link of a chain. Both read the slots that have arrived, which go home when both
// are through: so the ring's credits go by the slower of the two. Committed is what the next receiver has
// committed first, and then the sink of this host. One thread, that of the loop.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "seal/digest.h"
#include "stream/forward_source.h"
#include "stream/send.h"
#include "stream/sink.h"

namespace rdpipe {

struct ForwardOptions {
  bool copies = false;      // as of a ForwardSource
  bool knows_root = false;  // what arrives is digested: that root is sent on
  Compression compression{};
};

class ForwardSink final : public Sink {
 public:
  // `next` is the session with the next receiver, whose terms are agreed; its link reaches `ring` and, unless
  // bytes are copied, the ring that start() gets. `own` may be null.
  ForwardSink(std::shared_ptr<Sink> own, Session& next, Ring& ring, const ForwardOptions& options);

  void start(Loop& loop, Ring& ring, std::optional<std::uint64_t> size) override;
  void write(Slot slot) override { put(std::move(slot), 0); }
  void write_hole(Slot slot, std::uint64_t length) override { put(std::move(slot), length); }
  void poll() override;
  void take_root(const Digest128& root) override { root_ = root; }
  void finish() override { finishing_ = true; }
  [[nodiscard]] bool committed() const override { return sent_ && (own_ == nullptr || own_->committed()); }
  [[nodiscard]] bool in_place_after_all() override;
  [[nodiscard]] std::uint64_t taken() const override;
  void stirred() override { source_.stir(); }
  [[nodiscard]] std::optional<std::size_t> backlog() const override;
  [[nodiscard]] const std::string& name() const override { return own_ ? own_->name() : source_.name(); }

 private:
  struct Piece {
    SharedSlot slot;
    std::uint64_t hole = 0;  // its length; 0: the slot's bytes
  };
  void put(Slot slot, std::uint64_t hole);
  void serve_own();
  [[nodiscard]] bool feed_own();
  [[nodiscard]] std::size_t slots_with_own() const;
  void send();
  void close_next();

  Session& next_;
  Ring& next_ring_;
  ForwardOptions options_;
  Loop* loop_ = nullptr;
  Digest128 root_{};
  std::optional<Ring> carriers_;  // of what own_ reads
  std::deque<Piece> pieces_;      // that wait for one of them
  std::shared_ptr<Sink> own_;
  ForwardSource source_;
  std::optional<Sending> sending_;
  std::uint64_t own_taken_ = 0;  // when it was last looked at, and ...
  std::size_t own_slots_ = 0;
  bool finishing_ = false;
  bool sent_ = false;  // the next receiver has committed
};

}  // namespace rdpipe
