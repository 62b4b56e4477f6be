// All that a tool says about its transfer while it runs, to whom it says it: people on standard error (a line
// that is drawn, numbers, messages), programs (JSON), and a log. One thread: that of the transfer, whose loop
// wakes up to tell how far it is.
#pragma once

#include <chrono>
#include <deque>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <vector>

#include <rdpipe/connection.h>
#include <rdpipe/shared_output.h>

#include "message_log.h"
#include "progress_json.h"
#include "progress_line.h"
#include "reading.h"
#include "settings.h"

namespace rdpipe::tools {

class Monitor {
 public:
  // Throws Error{kUsage} for what contradicts itself or would mix with data, Error{kEndpoint} for a log that
  // cannot be written. Before a descriptor is opened that could have the number given with --json-fd. `line`
  // stays.
  Monitor(Tool tool, const CommandLine& line);
  Monitor(const Monitor&) = delete;
  Monitor& operator=(const Monitor&) = delete;
  ~Monitor() { line_.clear(); }

  // Makes a connection speak through this, which outlives it.
  void attach(Options& connection);
  [[nodiscard]] bool wants_progress() const { return draws_ || numeric_ || json_; }

  // A transfer begins: once for each.
  void start();
  void show(const StreamProgress& progress) { show(reading_of(progress, meter_)); }
  void show(const CopyProgress& progress) { show(reading_of(progress, meter_)); }

  void notice(const std::string& text);    // not with --quiet
  void announce(const std::string& text);  // also with it
  void warn(const std::string& text);
  void listening(std::uint16_t port, const std::string& where);
  // For what is about to be written to standard output, or by somebody else: takes the drawn line away.
  void make_way() { line_.clear(); }
  // For a command at this end of the stream: standard error, where it makes way.
  [[nodiscard]] ErrorOutput command_errors();

  // A transfer has ended. settle() is the first half of finish(), for a copy that has more to say in between;
  // `well`: all is in its place.
  void settle(bool well = true);
  void finish(const Result& result);  // a signal that came meanwhile hurries nothing any more
  void finish(const CopyReport& report);
  // Of several receivers: one has ended, and all have. Throws where fewer have committed than are asked for.
  void receiver_ended(const ReceiverResult& receiver);
  void finish(const FanOutReport& report);
  // Returns the exit status.
  [[nodiscard]] int fail(const Error& error);
  // Runs `work`, which returns the exit status, and tells of what it throws.
  template <typename Work>
  [[nodiscard]] int guarded(Work work) {
    try {
      return work();
    } catch (const Error& error) {
      return fail(error);
    } catch (const std::bad_alloc&) {
      return fail(Error(Status::kMemory, "", "out of memory"));
    }
  }

 private:
  void show(const Reading& reading);
  void tick(const Reading& reading);
  void draw(const Reading& reading);
  void print(const std::string& line);
  void print_soon(const std::string& line);
  bool put(const std::string& line, Deadline until);
  void end_line(Deadline until);
  void print_unsaid();
  void print_number(const Reading& reading, bool done, Deadline until);
  void say(const char* event, const std::string& text, const std::string& line, bool on_screen);
  void log(const std::string& line);
  void end(Json members);
  [[nodiscard]] std::string named(const std::string& text) const;
  [[nodiscard]] bool json_on_screen() const;

  Tool tool_;
  const CommandLine& command_;
  const ProgressSettings& settings_;
  bool quiet_, numeric_;
  MessageLog log_;
  std::optional<JsonStream> json_;
  SharedOutput screen_;  // standard error
  ProgressLine line_;
  bool draws_ = false;
  // A command, with whom the screen is shared, has begun a line there and not ended it.
  std::shared_ptr<bool> in_line_ = std::make_shared<bool>(false);
  RateMeter meter_;
  std::optional<Reading> last_;
  Json receivers_;                  // of several
  std::deque<std::string> unsaid_;  // that are to be printed when somebody reads them
  std::chrono::steady_clock::time_point next_tick_{};
};

}  // namespace rdpipe::tools
