// Where a stream comes from. Started and polled, never called to block: that is what lets a file read ahead
// and a buffer be elastic.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "ground/error.h"
#include "ring/ring.h"
#include "seal/digest.h"
#include "stream/progress.h"

namespace rdpipe {

class Loop;

struct Filled {
  Slot slot;                        // size() bytes, at least 1, of the stream
  std::vector<Digest128> leaves{};  // leaves_of() them, or none: then whoever needs them makes them
};
struct Hole {
  std::uint64_t length = 0;  // zero bytes that need not travel, at least 1
};
struct SourceEnd {};  // a real end: everything before it was read without error

using SourceEvent = std::variant<Filled, Hole, SourceEnd>;

class Source {
 public:
  Source() = default;
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;
  virtual ~Source() = default;  // discards; slots it holds go home

  // From here on it reads ahead, into slots it acquires from `ring`, at most `max_payload` bytes (a multiple
  // of 4 KiB) in each. Loop and ring outlive the source.
  virtual void start(Loop& loop, Ring& ring, std::size_t max_payload) = 0;
  // The next piece, in stream order, after doing all the work that needs no waiting; nothing when the caller
  // may sleep (what wakes it is armed). `urgent`: the line is idle, give what there is; otherwise a partial
  // slot may be held back to fill up. Throws Error{kFileIo}. After SourceEnd it is not called again.
  [[nodiscard]] virtual std::optional<SourceEvent> poll(bool urgent) = 0;
  // Until it has ended, also while nothing of it can be sent: looks at what may happen beside the data.
  // Throws Error. A source around another one hands it on.
  virtual void attend() {}
  // When nothing more can be sent now: one that buffers goes on reading, a bounded amount at a time.
  virtual void read_ahead() {}
  // A number that grows while it gets on without giving anything: by it a full buffer, or a wait for a rate,
  // is told from a standstill.
  [[nodiscard]] virtual std::uint64_t taken() const { return 0; }
  // What the far sink has noted, in its order. By default nothing is expected.
  virtual void note(std::span<const std::byte> /*bytes*/) {
    throw Error(Status::kDamaged, "send " + name(), "a message out of turn");
  }
  // Bytes that are expected, where that is known: a hint.
  [[nodiscard]] virtual std::optional<std::uint64_t> size_hint() const = 0;
  // What a buffer of its own holds; nothing where the ring is all there is.
  [[nodiscard]] virtual std::optional<BufferFill> buffer() const { return {}; }
  // Of the ring's slots that it has, those that hold nothing yet.
  [[nodiscard]] virtual std::size_t empty_slots() const { return 0; }
  [[nodiscard]] virtual const std::string& name() const = 0;  // for messages: "'a/b'", "standard input"
};

}  // namespace rdpipe
