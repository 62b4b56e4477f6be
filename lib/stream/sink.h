// Where a stream goes. Started and polled, never called to block. Finishing is explicit and can fail; a
// destructor only discards, and a target is then as it was before.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ring/ring.h"
#include "seal/digest.h"
#include "stream/progress.h"

namespace rdpipe {

class Loop;

class Sink {
 public:
  Sink() = default;
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;
  virtual ~Sink() = default;

  // Only after authentication: here a target may be created. `size` is the sender's hint. Loop and ring
  // outlive the sink.
  virtual void start(Loop& loop, Ring& ring, std::optional<std::uint64_t> size) = 0;
  // Takes the next bytes of the stream; the slot goes home when they are written. Never refused: the ring
  // bounds it.
  virtual void write(Slot slot) = 0;
  // The next `length` bytes of the stream are zero. Its slot, of size() 0, goes home when that is done: so
  // the ring bounds holes too.
  virtual void write_hole(Slot slot, std::uint64_t length) = 0;
  // Does all the work that needs no waiting and arms what wakes the caller. Throws Error{kFileIo}.
  virtual void poll() = 0;
  // The next note for the far source, 1 to kMaxNote bytes; asked after poll(), until there is none.
  [[nodiscard]] virtual std::optional<std::vector<std::byte>> take_note() { return {}; }
  // Before finish(), where the stream is digested: the root of all that was written.
  virtual void take_root(const Digest128& /*root*/) {}
  // The stream is complete and was checked: begin to put it in place. Nothing is written after it.
  virtual void finish() = 0;
  // True once it is in place (file: renamed; pipe: the reader has taken every byte). Progress is poll()'s.
  [[nodiscard]] virtual bool committed() const = 0;
  // A number that grows with every byte that its reader takes, where it can see that: by it a slow reader is
  // told from one that has stopped, whatever a slot holds. What jobs do shows in Loop::job_steps().
  [[nodiscard]] virtual std::uint64_t taken() const { return 0; }
  // The sender works: a frame has come, or it says so.
  virtual void stirred() {}
  // How many slots it holds that are not written yet, where it can tell: what stands before it passes slots
  // on as they come while these are few.
  [[nodiscard]] virtual std::optional<std::size_t> backlog() const { return {}; }
  // What a buffer of its own holds; nothing where the ring is all there is.
  [[nodiscard]] virtual std::optional<BufferFill> buffer() const { return {}; }
  // Asked when the transfer fails after finish(): waits for a last step that cannot be called back, and is
  // true when that has put the stream in place. No failure may then be reported.
  [[nodiscard]] virtual bool in_place_after_all() { return committed(); }
  [[nodiscard]] virtual const std::string& name() const = 0;  // for messages: "'out'", "standard output"
};

}  // namespace rdpipe
