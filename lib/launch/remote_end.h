// An rdcp that was started on another host through a remote shell, seen from here: its orders, its answers,
// and the lines that it, or the shell, prints. One thread, its loop's.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "ground/error.h"
#include "io/loop.h"
#include "launch/child.h"
#include "launch/greeting.h"
#include "launch/host_path.h"
#include "launch/lines.h"
#include "launch/shell_command.h"
#include "transport/byte_stream.h"

namespace rdpipe {

// Why there is no rdcp there: from the shell's exit status and what was printed in place of an answer. Pure.
[[nodiscard]] Error launch_failure(const std::string& host, const std::string& program, int status,
                                   const std::string& noise);

class RemoteEnd {
 public:
  // `hear` gets each line of its standard error, as it came. Throws Error{kCommand}.
  RemoteEnd(Loop& loop, const RemoteShell& shell, const HostPath& where,
            std::function<void(const std::string& line)> hear);

  [[nodiscard]] const std::string& host() const { return host_; }
  // Gives it its orders and waits, without limit, as somebody may have to type a password, for its answer.
  // Throws what it answers instead, or launch_failure().
  [[nodiscard]] Contact start(const Orders& orders);
  void say(const std::string& line);
  // Its answer to CONNECT; nothing when the caller may sleep. Throws when it has ended, or what it says
  // instead.
  struct Verdict {
    bool reached;
    std::string text;
  };
  [[nodiscard]] std::optional<Verdict> poll_verdict();

  // Readable when there are lines to hear.
  [[nodiscard]] int messages_fd() const { return child_.errors.get(); }
  bool take_messages();  // false: no more will come

  // From now on its standard input and output are frames.
  [[nodiscard]] std::unique_ptr<ByteStream> take_stream();
  // The same ends for somebody who copies bytes.
  struct Ends {
    Descriptor from, to;
  };
  [[nodiscard]] Ends take_ends();

  // Closes its standard input, which ends it, and waits for that; ends the shell when it takes longer than
  // `limit`. The exit status.
  int finish(Nanoseconds limit);
  // Waits for it to end by itself, at most until `deadline`; false where it did not.
  bool await_exit(Deadline deadline);
  friend void await_either(Loop& loop, RemoteEnd& a, RemoteEnd& b);

 private:
  void write_all(std::string bytes);
  void collect_answers();
  [[nodiscard]] std::optional<std::string> next_answer();
  void throw_if_refused(const Answer& answer) const;
  [[noreturn]] void throw_ended(const std::string& noise);

  Loop& loop_;
  std::string host_, program_;
  std::function<void(const std::string&)> hear_;
  Child child_;
  LineReader answers_{kMaxLine}, messages_{4096};
  std::deque<std::string> early_;  // answers that came while something was said
  bool answers_end_ = false;
  std::optional<Watch> answered_;
};

// Waits, without limit, until one of them has ended.
void await_either(Loop& loop, RemoteEnd& a, RemoteEnd& b);

}  // namespace rdpipe
