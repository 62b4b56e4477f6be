// A user's command at one end of a stream: one of its standard descriptors is a pipe to here, its standard
// error is passed on, and the other one is this process's. It has a process group of its own, and is ended
// with all of it unless it has ended well. One thread, its loop's.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ground/descriptor.h"
#include "ground/error.h"
#include "io/loop.h"
#include "launch/error_relay.h"
#include "launch/group_guard.h"
#include "launch/process.h"
#include "launch/terminal_loan.h"

namespace rdpipe {

// What a command is called in messages, here and at the other end: its arguments may hold secrets.
[[nodiscard]] std::string command_name(const std::vector<std::string>& words);

class Command {
 public:
  enum class Role : unsigned char {
    kProducer,  // its standard output is the pipe; asked to end before it is killed
    kConsumer   // its standard input is the pipe; killed, so that nothing of it takes a cut stream for an end
  };
  // Starts it. `errors` is where its standard error goes. Throws Error{kCommand}.
  Command(Loop& loop, const std::vector<std::string>& words, Role role, ErrorOutput errors);
  Command(const Command&) = delete;
  Command& operator=(const Command&) = delete;
  ~Command();

  [[nodiscard]] int pipe() const noexcept { return pipe_.get(); }  // our end of it
  // Takes what there is to take, and arms what wakes the caller. True once it has exited with 0. Throws
  // Error{kCommand} when it has ended otherwise.
  bool poll();
  // Its standard input ends here, as the stream does. Nobody else here may have the pipe.
  void end_input();
  // It has done its work: what it leaves running lives on.
  void let_go() noexcept { released_ = true; }
  // Ends all of its group, and then closes the pipe.
  void end() noexcept;
  [[nodiscard]] Error failure(const std::string& what) const;  // with its last line

 private:
  void start(const std::vector<std::string>& words, ErrorOutput errors);
  void look_at_end();
  void end_group() noexcept;
  void tidy_up() noexcept;
  [[nodiscard]] std::string why_it_lives(bool is_held) const;

  Loop& loop_;
  Role role_;
  std::string name_;
  Descriptor pipe_;
  std::optional<GroupGuard> guard_;
  std::optional<Process> process_;
  std::optional<ErrorRelay> errors_;
  std::optional<TerminalLoan> terminal_;
  std::optional<Watch> ending_;
  std::optional<Ended> ended_;
  bool released_ = false;
};

}  // namespace rdpipe
