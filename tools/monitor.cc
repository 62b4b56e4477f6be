#include "monitor.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "interrupts.h"
#include "report.h"

namespace rdpipe::tools {
namespace {

using SteadyClock = std::chrono::steady_clock;

[[noreturn]] void reject(const std::string& what, const std::string& cause,
                         const std::string& hint = "see --help") {
  throw Error(Status::kUsage, what, cause, hint);
}

bool is_same_file(int fd, int other) {
  struct stat first {
  }, second{};
  return ::fstat(fd, &first) == 0 && ::fstat(other, &second) == 0 && first.st_dev == second.st_dev &&
         first.st_ino == second.st_ino && !S_ISCHR(first.st_mode);
}

// Of a descriptor that the user has named.
void require_writable(int fd) {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags == -1 || (flags & O_ACCMODE) == O_RDONLY) {
    reject("option --json-fd", fmt::format("descriptor {} is not open for writing", fd), "N>file opens it");
  }
  if (fd > STDERR_FILENO) ::fcntl(fd, F_SETFD, FD_CLOEXEC);  // not for what is started
}

// One that the data take, or the user types them at; or that a receiver's command has to itself.
bool is_busy_terminal(Tool tool, const Settings& settings) {
  if (tool == Tool::kCopy) return false;
  if (tool == Tool::kSend) return uses_standard_stream(settings) && ::isatty(STDIN_FILENO) == 1;
  return (uses_standard_stream(settings) || !settings.command.empty()) && ::isatty(STDOUT_FILENO) == 1;
}

bool wants_line(Tool tool, const Settings& settings) {
  const ProgressSettings& progress = settings.progress;
  if (progress.numeric || progress.json_fd == STDERR_FILENO || settings.quiet) return false;
  if (progress.use == ProgressUse::kAlways) return true;
  if (progress.use == ProgressUse::kUnsaid && tool == Tool::kCopy) return false;
  return progress.use != ProgressUse::kNever && !is_busy_terminal(tool, settings);
}

// Where data, or what a command makes of them, go to standard output, nothing else may.
void require_apart(const ProgressSettings& progress) {
  constexpr const char* kHint = "--json-fd=N takes another descriptor";
  const std::optional<int>& fd = progress.json_fd;
  if (fd && (*fd == STDOUT_FILENO || is_same_file(*fd, STDOUT_FILENO))) {
    reject(*fd == STDERR_FILENO ? "option --json" : "option --json-fd", "the data go to the same file",
           kHint);
  }
  const bool is_told = progress.numeric || progress.use == ProgressUse::kAlways;
  if (is_told && is_same_file(STDERR_FILENO, STDOUT_FILENO)) {
    reject(progress.numeric ? "option --numeric" : "option --progress", "the data go to the same file");
  }
}

const CommandLine& sensible(Tool tool, const CommandLine& line) {
  const ProgressSettings& progress = line.settings.progress;
  const bool json = progress.json_fd == STDERR_FILENO;
  if (progress.numeric && json) reject("", "--numeric and --json exclude each other");
  if ((progress.numeric || json) && progress.use == ProgressUse::kAlways) {
    reject("", fmt::format("--progress=always and {} exclude each other", json ? "--json" : "--numeric"));
  }
  if (progress.json_fd && !json) require_writable(*progress.json_fd);
  const bool has_command = !line.settings.command.empty();
  if (json && has_command) {
    reject("option --json", "what the command says goes to the same file",
           "--json-fd=N takes another descriptor");
  }
  const bool fills_output = uses_standard_stream(line.settings) || !line.settings.command.empty();
  if (tool == Tool::kReceive && fills_output) require_apart(progress);
  return line;
}

}  // namespace

Monitor::Monitor(Tool tool, const CommandLine& line)
    : tool_(tool),
      command_(sensible(tool, line)),
      settings_(line.settings.progress),
      quiet_(line.settings.quiet),
      numeric_(settings_.numeric),
      log_(settings_.log_file, line.settings.path),
      screen_(STDERR_FILENO, Interrupts::pressing),
      line_(screen_, settings_.use == ProgressUse::kAlways) {
  if (settings_.json_fd) json_.emplace(*settings_.json_fd);
  draws_ = wants_line(tool, line.settings) && line_.wanted();
  if (tool == Tool::kCopy) return;
  log_.require_apart(tool == Tool::kSend ? STDIN_FILENO : STDOUT_FILENO);
}

void Monitor::attach(Options& connection) {
  connection.notice = [this](const std::string& text) { notice(text); };
  if (wants_progress()) connection.progress = [this](const StreamProgress& progress) { show(progress); };
}

bool Monitor::json_on_screen() const { return settings_.json_fd == STDERR_FILENO; }

std::string Monitor::named(const std::string& text) const {
  return fmt::format("{}: {}", tool_name(tool_), text);
}

void Monitor::log(const std::string& line) {
  if (log_.write(line)) return;
  warn("the log could not be written, and nothing more goes to it");  // not to the log
}

// A message is not lost where a terminal is stopped: it waits, until a signal is to end this; but not before
// whoever is to be served next.
void Monitor::print(const std::string& line) {
  if (command_.settings.keeps_listening.value_or(false)) return print_soon(line);
  line_.clear();
  print_unsaid();
  put(line, Deadline::never());
}

// In mid stream nobody waits for a terminal that is stopped.
void Monitor::print_soon(const std::string& line) {
  constexpr auto kAMoment = std::chrono::milliseconds(200);
  constexpr std::size_t kMost = 1000;  // lines; what nobody reads for so long is lost
  line_.clear();
  while (!unsaid_.empty() && put(unsaid_.front(), Deadline::now())) unsaid_.pop_front();
  if (unsaid_.empty() && put(line, Deadline::in(kAMoment))) return;
  if (unsaid_.size() == kMost) unsaid_.pop_front();
  unsaid_.push_back(line);
}

void Monitor::print_unsaid() {
  for (const std::string& line : std::exchange(unsaid_, {})) put(line, Deadline::never());
}

// A line of its own: false when there was no room for it.
bool Monitor::put(const std::string& line, Deadline until) {
  const bool is_written = screen_.write((*in_line_ ? "\n" : "") + line_text(line), until);
  if (is_written) *in_line_ = false;
  return is_written;
}

void Monitor::end_line(Deadline until) {
  if (*in_line_ && screen_.write("\n", until)) *in_line_ = false;
}

void Monitor::say(const char* event, const std::string& text, const std::string& line, bool on_screen) {
  log(line);
  if (json_) json_->write(event, {{"text", text}});
  if (!on_screen || json_on_screen()) return;
  print(line);
}

void Monitor::notice(const std::string& text) { say("notice", text, named(text), !quiet_); }
void Monitor::announce(const std::string& text) { say("notice", text, named(text), true); }
void Monitor::warn(const std::string& text) { say("warning", text, named("warning: " + text), !quiet_); }

void Monitor::listening(std::uint16_t port, const std::string& where) {
  const std::string line = named(fmt::format("listening on port {} ({})", port, where));
  log(line);
  if (json_) json_->write("listening", {{"port", port}, {"fabrics", where}});
  const bool chosen = command_.settings.port == "0";
  if ((!chosen && !command_.settings.verbose) || json_on_screen()) return;
  print(line);
}

void Monitor::start() {
  meter_ = {};
  last_.reset();
  next_tick_ = SteadyClock::now() + settings_.interval;
  if (json_) json_->write("start", start_members(tool_, command_));
}

void Monitor::show(const Reading& reading) {
  last_ = reading;
  if (line_.draws()) draw(reading);
  constexpr auto kNearly = std::chrono::milliseconds(50);  // the next time would be later by more
  const auto now = SteadyClock::now();
  if (now + kNearly < next_tick_) return;
  next_tick_ += settings_.interval;
  if (next_tick_ < now) next_tick_ = now + settings_.interval;
  tick(reading);
}

void Monitor::tick(const Reading& reading) {
  if (numeric_) print_number(reading, false, Deadline::now());
  if (json_) json_->write_if_room("tick", tick_members(reading));
  if (!line_.draws()) draw(reading);
}

// Not over what a command has begun to say, nor, before there is anything to tell, over what it asks.
void Monitor::draw(const Reading& reading) {
  if (draws_ && !*in_line_ && reading.tells()) line_.show(reading);
}

// 100 is for what is in its place.
void Monitor::print_number(const Reading& reading, bool done, Deadline until) {
  constexpr unsigned kNotYet = 99, kDone = 100;
  std::uint64_t number = reading.bytes;
  if (reading.total || reading.entries) {
    const bool is_more = reading.total && reading.bytes > *reading.total;
    number = done ? kDone : std::min(kNotYet, reading.percent().value_or(is_more ? kNotYet : 0));
  }
  put(fmt::format("{}", number), until);
}

ErrorOutput Monitor::command_errors() {
  return {STDERR_FILENO, [this] { make_way(); }, [this](const std::string& text) { warn(text); }, in_line_};
}

void Monitor::finish(const Result& result) {
  Interrupts::outlived();
  Reading reading = last_.value_or(Reading{});
  reading.bytes = result.bytes;
  reading.seconds = std::chrono::duration<double>(result.elapsed).count();
  reading.mean = reading.seconds > 0 ? static_cast<double>(result.bytes) / reading.seconds : 0;
  reading.fabric = result.fabric;
  reading.device = result.device;
  const Settings& settings = command_.settings;
  const std::string summary = result_text(tool_, result);
  last_ = reading;
  settle();
  log(summary);
  if (settings.verbose && !json_on_screen()) print(summary);
  if (!settings.connection.hash.empty()) {
    const std::string hash = hash_text(settings.connection.hash, result);
    log(named(hash));
    if (!json_on_screen()) print(hash);
  }
  if (!result.warning.empty()) warn(result.warning);
  if (json_) end(end_members(tool_, result, settings.connection.hash));
}

void Monitor::end(Json members) {
  if (tool_ == Tool::kSend) members["receivers"] = receivers_;
  json_->write("end", members);
}

// One that has failed is told of at once, and also with --quiet; one that has committed when all is over.
void Monitor::receiver_ended(const ReceiverResult& receiver) {
  const std::string line = receiver_text(tool_, receiver);
  log(line);
  if (json_ && receiver.error) json_->write("receiver", receiver_members(receiver));
  if (json_on_screen() || (!receiver.error && quiet_ && !command_.settings.verbose)) return;
  if (receiver.error) return print_soon(line);
  print(line);
}

void Monitor::finish(const FanOutReport& report) {
  print_unsaid();
  receivers_ = Json::array();
  for (const ReceiverResult& receiver : report.receivers) receivers_.push_back(receiver_members(receiver));
  const bool all_committed =
      !report.error &&
      std::ranges::none_of(report.receivers, [](const auto& receiver) { return receiver.error.has_value(); });
  for (const ReceiverResult& receiver : report.receivers) {
    if (receiver.error || (all_committed && !command_.settings.verbose)) continue;
    receiver_ended(receiver);
    if (!receiver.result.warning.empty()) warn(receiver.name + ": " + receiver.result.warning);
  }
  if (report.error) throw Error(*report.error);
  finish(report.stream);
}

void Monitor::settle(bool well) {
  // With -v a stream's line says more.
  const bool says_it_later = tool_ != Tool::kCopy && command_.settings.verbose;
  line_.clear();
  if (draws_ && last_ && !says_it_later && line_.is_seen()) {
    end_line(Deadline::now());
    line_.finish(*last_);
  }
  if (numeric_) print_number(last_.value_or(Reading{}), well, Deadline::never());
}

void Monitor::finish(const CopyReport& report) {
  if (json_) end(end_members(report));
}

int Monitor::fail(const Error& error) {
  std::vector<std::string> lines = {named(fmt::format("error: {}", error.what()))};
  if (!error.hint().empty()) lines.push_back(named(fmt::format("hint: {}", error.hint())));
  line_.clear();
  for (const std::string& line : lines) log(line);
  if (json_) end(end_members(tool_, error, last_));
  if (!json_on_screen()) std::ranges::for_each(lines, [this](const std::string& line) { print(line); });
  return static_cast<int>(error.status());
}

}  // namespace rdpipe::tools
