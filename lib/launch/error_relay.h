// What a command writes to its standard error: passed on as it comes, never waiting for who reads that; its
// last line is kept. One thread, its loop's.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "ground/deadline.h"
#include "ground/descriptor.h"
#include "ground/shared_output.h"
#include "io/loop.h"
#include "launch/error_output.h"

namespace rdpipe {

// The last line in bytes that come in pieces, also one that has not ended yet; blank ones do not count.
class LastLine {
 public:
  void add(std::string_view piece);
  [[nodiscard]] std::string text() const;  // printable, at most 200 bytes

 private:
  std::string line_, last_;
};

class ErrorRelay {
 public:
  ErrorRelay(Loop& loop, Descriptor from, ErrorOutput to);
  // Passes on what can be passed on without waiting, and arms what wakes the caller.
  void pump();
  // The command has ended: what it has left is passed on, within a second.
  void finish();
  void warn(const std::string& text);  // of ours
  [[nodiscard]] int pipe() const noexcept { return from_.get(); }
  [[nodiscard]] std::string last_line() const { return last_.text(); }

 private:
  enum class Step : unsigned char { kMoved, kWaits, kEnded };
  [[nodiscard]] Step read_some();
  [[nodiscard]] Step write_some(Deadline until);
  void end_line(Deadline limit);

  Loop& loop_;
  Descriptor from_;
  ErrorOutput to_;
  SharedOutput output_;
  std::string pending_;  // read and not yet written
  LastLine last_;
  Watch readable_;
  std::optional<Watch> writable_;
};

}  // namespace rdpipe
