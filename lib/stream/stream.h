// What sending and receiving share: how a stream is asked for, and what is known of it when it is over.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "ground/deadline.h"
#include "ground/error.h"
#include "io/loop.h"
#include "seal/compression.h"
#include "seal/digest.h"
#include "session/session.h"
#include "stream/progress.h"

namespace rdpipe {

// Bytes that one hole frame stands for, at most: to digest them must not keep a thread from its signals.
constexpr std::uint64_t kMaxHoleLength = 64_MiB;

// Events of a link that are taken in a row: a peer that says much must not keep a thread from its signals and
// timers.
constexpr int kEventsPerTurn = 256;

struct StreamOptions {
  Nanoseconds stall_limit{0};  // longest time without data progress; 0: no limit
  std::string hash;            // a conventional digest to compute; empty: none
  Compression compression{};   // the sender's; within the terms
  ProgressListener progress{};
  // What is sent is digested already: asked at its end for the root, which is then not computed.
  std::function<Digest128()> root{};
  bool shares_loop = false;  // with others, whose jobs are none of its own
};

struct StreamResult {
  std::uint64_t bytes = 0;
  std::uint64_t frames = 0;
  std::uint64_t data_bytes = 0;     // of these, what is no hole
  std::uint64_t wire_bytes = 0;     // ... as it crossed the line, compressed
  Nanoseconds elapsed{0};           // from the first byte to COMMITTED
  std::optional<Digest128> root{};  // none where the digest is off
  std::string hash;                 // lower-case hex; empty where none was asked for
  std::string warning{};            // committed, but something is worth a line
};

// The clock of a transfer: starts at the first byte, and knows how long nothing has moved.
class ProgressClock {
 public:
  explicit ProgressClock(Nanoseconds stall_limit) : stall_limit_(stall_limit), last_(Clock::now()) {}
  void moved();    // data moved just now
  void stirred();  // something else that is no standstill, which may come before the first byte
  [[nodiscard]] Nanoseconds elapsed() const;
  [[nodiscard]] Deadline stall_deadline() const;
  void throw_if_stalled(const std::string& peer) const;  // Error{kTimeout}

 private:
  Nanoseconds stall_limit_;
  Clock::time_point last_;
  std::optional<Clock::time_point> first_;
};

// Work that crosses no line, at this end: it is no standstill, and the other end, which cannot see it, hears
// of it five times a second at most.
class QuietWork {
 public:
  // `done` grows with what is done. True when the other end is to hear of it.
  [[nodiscard]] bool is_news(std::uint64_t done, ProgressClock& clock);
  // Something crosses the line, by which the other end sees that this one works.
  void told();

 private:
  std::uint64_t done_ = 0;
  bool untold_ = false;
  Deadline quiet_ = Deadline::now();  // nothing more is said until then
};

// What the session knows of a stream that is under way.
[[nodiscard]] StreamProgress progress_of(Session& session);

// Both digests of a stream, each where it is wanted.
class StreamDigests {
 public:
  StreamDigests(const Terms& terms, const StreamOptions& options);
  void add(std::span<const std::byte> bytes, std::span<const Digest128> leaves = {});
  void add_zeros(std::uint64_t count);
  // Whether what is added is digested for the root.
  [[nodiscard]] bool computes_root() const noexcept { return root_.has_value(); }
  [[nodiscard]] std::optional<Digest128> root() const;
  void finish(StreamResult& result);

 private:
  std::optional<StreamDigest> root_;
  std::function<Digest128()> known_root_;
  std::optional<NamedDigest> hash_;
};

}  // namespace rdpipe
