#include "launch/remote_end.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include "launch/pipe_stream.h"

namespace rdpipe {
namespace {

constexpr std::size_t kNoiseShown = 120;  // bytes
constexpr Nanoseconds kFarewell = std::chrono::seconds(5);

constexpr std::size_t kMaxEarly = 64;  // lines

constexpr int kNotFound = 127, kNotExecutable = 126, kShellFailed = 255, kKilled = 128;

}  // namespace

Error launch_failure(const std::string& host, const std::string& program, int status,
                     const std::string& noise) {
  const std::string attempt = "start rdcp on " + host;
  const std::string said =
      noise.empty() ? "" : fmt::format("; it printed '{}'", printable(noise, kNoiseShown));
  switch (status) {
    case 0:
      return {Status::kProtocol, attempt, "it ended without an answer" + said,
              "does a forced command or the login shell there run something else?"};
    case kNotFound:
    case kNotExecutable:
      return {static_cast<Status>(status), attempt, "there is no rdcp that can be run" + said,
              "install rdpipe there, or say with --rdcp-path where it is"};
    case kShellFailed:
      return {static_cast<Status>(status), attempt, fmt::format("{} could not reach it{}", program, said),
              fmt::format("try: {} {} true", program, host)};
    default:
      break;
  }
  if (status > kKilled) {
    return {Status::kCommand, attempt, fmt::format("{} was ended by signal {}", program, status - kKilled)};
  }
  return {static_cast<Status>(status), attempt, fmt::format("it ended with status {}{}", status, said),
          "is the same version installed at both ends?"};
}

RemoteEnd::RemoteEnd(Loop& loop, const RemoteShell& shell, const HostPath& where,
                     std::function<void(const std::string& line)> hear)
    : loop_(loop), host_(where.host), hear_(std::move(hear)), child_([&] {
        auto words = shell_command(shell, where);
        program_ = words.front();
        return words;
      }()) {}

Contact RemoteEnd::start(const Orders& orders) {
  answered_.emplace(loop_, child_.output.get());
  write_all(encode_orders(orders));
  std::string noise;
  for (;;) {
    while (const auto line = next_answer()) {
      const Answer answer = parse_answer(*line);
      if (const auto* contact = std::get_if<Contact>(&answer)) return *contact;
      throw_if_refused(answer);
      if (const auto* other = std::get_if<OtherVersion>(&answer)) {
        throw Error(Status::kProtocol, "start rdcp on " + host_,
                    fmt::format("it speaks launch protocol {}, this is {}", other->version, kLaunchVersion),
                    "install the same version at both ends");
      }
      if (noise.size() < kNoiseShown && !line->empty()) noise += (noise.empty() ? "" : " ") + *line;
    }
    if (answers_end_) throw_ended(noise + answers_.take_rest());
    answered_->arm(POLLIN);
    loop_.wait();
    if (!answered_->armed()) answers_end_ = !answers_.fill(child_.output.get());
  }
}

void RemoteEnd::throw_if_refused(const Answer& answer) const {
  const auto* refusal = std::get_if<Refusal>(&answer);
  if (refusal == nullptr) return;
  Error error(static_cast<Status>(refusal->status), "on " + host_, refusal->text);
  error.set_from_peer();
  throw error;
}

void RemoteEnd::collect_answers() {
  answers_end_ = !answers_.fill(child_.output.get());
  while (auto line = answers_.next()) {
    // What is noise is worth no memory.
    const std::size_t room = line->starts_with("RDPIPE ") ? 2 * kMaxEarly : kMaxEarly;
    if (early_.size() < room) early_.push_back(std::move(*line));
  }
}

std::optional<std::string> RemoteEnd::next_answer() {
  if (early_.empty()) return answers_.next();
  std::string line = std::move(early_.front());
  early_.pop_front();
  return line;
}

void RemoteEnd::say(const std::string& line) { write_all(line + "\n"); }

std::optional<RemoteEnd::Verdict> RemoteEnd::poll_verdict() {
  if (!answered_->armed()) answers_end_ = !answers_.fill(child_.output.get());
  while (const auto line = next_answer()) {
    if (line->starts_with("RDPIPE CONNECTED")) return Verdict{true, printable(line->substr(16))};
    if (line->starts_with("RDPIPE UNREACHED ")) return Verdict{false, printable(line->substr(17))};
    throw_if_refused(parse_answer(*line));
  }
  if (answers_end_) throw_ended("");
  answered_->arm(POLLIN);
  return {};
}

// Takes what it prints meanwhile: a login shell that is chatty may not read before that is gone.
void RemoteEnd::write_all(std::string bytes) {
  std::optional<Watch> writable;
  std::size_t done = 0;
  while (done < bytes.size()) {
    const auto count = ::write(child_.input.get(), bytes.data() + done, bytes.size() - done);
    if (count >= 0) {
      done += static_cast<std::size_t>(count);
    } else if (errno == EAGAIN) {
      if (!writable) writable.emplace(loop_, child_.input.get());
      writable->arm(POLLOUT);
      if (answered_ && !answers_end_) answered_->arm(POLLIN);
      loop_.wait();
      if (answered_ && !answers_end_ && !answered_->armed()) collect_answers();
    } else if (errno != EINTR) {
      break;  // it has ended: its exit status tells more
    }
  }
  ::explicit_bzero(bytes.data(), bytes.size());
}

void RemoteEnd::throw_ended(const std::string& noise) {
  const int status = finish(kFarewell);
  throw launch_failure(host_, program_, status, noise);
}

bool RemoteEnd::take_messages() {
  const bool more = messages_.fill(child_.errors.get());
  while (const auto line = messages_.next()) hear_(*line);
  if (more) return true;
  if (const std::string rest = messages_.take_rest(); !rest.empty()) hear_(rest);
  return false;
}

std::unique_ptr<ByteStream> RemoteEnd::take_stream() {
  Ends ends = take_ends();
  return std::make_unique<PipeStream>(loop_, std::move(ends.from), std::move(ends.to), host_);
}

RemoteEnd::Ends RemoteEnd::take_ends() {
  answered_.reset();
  return {std::move(child_.output), std::move(child_.input)};
}

int RemoteEnd::finish(Nanoseconds limit) {
  answered_.reset();
  child_.input.reset();
  child_.output.reset();
  auto status = child_.await_exit(loop_, Deadline::in(limit));
  if (!status) {
    child_.terminate();
    status = child_.await_exit(loop_, Deadline::in(std::chrono::seconds(1)));
  }
  static_cast<void>(take_messages());
  return status.value_or(kKilled + SIGTERM);
}

bool RemoteEnd::await_exit(Deadline deadline) { return child_.await_exit(loop_, deadline).has_value(); }

void await_either(Loop& loop, RemoteEnd& a, RemoteEnd& b) {
  constexpr Nanoseconds kLook = std::chrono::milliseconds(100);  // where the kernel does not tell
  std::optional<Watch> a_ended, b_ended;
  const bool told = a.child_.ended_fd() >= 0 && b.child_.ended_fd() >= 0;
  if (told) {
    a_ended.emplace(loop, a.child_.ended_fd());
    b_ended.emplace(loop, b.child_.ended_fd());
  }
  while (!a.child_.exited() && !b.child_.exited()) {
    if (told) {
      a_ended->arm(POLLIN);
      b_ended->arm(POLLIN);
    }
    loop.wait(told ? Deadline::never() : Deadline::in(kLook));
  }
}

}  // namespace rdpipe
