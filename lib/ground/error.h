// What ends a transfer, as an exception that says what was attempted, what the cause was and, where the
// user can do something about it, what. Expected outcomes (end of a source, a wrong key, a malformed frame)
// are values, never this.
#pragma once

#include <exception>
#include <string>
#include <string_view>

namespace rdpipe {

// Exit statuses, the same for all tools (rsync's numbers where rsync has one).
enum class Status : int {
  kOk = 0,
  kUsage = 1,
  kProtocol = 2,         // the other end speaks another protocol or version
  kEndpoint = 3,         // bad source or target
  kAuthentication = 5,   // the keys differ
  kNetwork = 10,         // connection lost, or none possible on this host
  kFileIo = 11,          // reading or writing failed
  kDamaged = 12,         // stream damaged, forged or ended early
  kCommand = 14,         // a command at one end failed
  kSignal = 20,          // SIGINT, SIGTERM or SIGHUP
  kMemory = 22,          // memory, or the memlock limit
  kPartial = 23,         // part of the files failed
  kVanished = 24,        // a source vanished
  kTimeout = 30,         // no data progress for --timeout
  kConnectTimeout = 35,  // could not connect in time
};

class Error : public std::exception {
 public:
  // `attempt` names what was tried ("open 'a/b'"), `cause` why it failed ("No such file or directory"),
  // `hint` what the user can do. All are one line of text; none holds a key.
  Error(Status status, std::string attempt, std::string cause, std::string hint = {});

  [[nodiscard]] const char* what() const noexcept override { return what_.c_str(); }  // "attempt: cause"
  [[nodiscard]] Status status() const noexcept { return status_; }
  [[nodiscard]] const std::string& attempt() const noexcept { return attempt_; }
  [[nodiscard]] const std::string& cause() const noexcept { return cause_; }
  [[nodiscard]] const std::string& hint() const noexcept { return hint_; }

  // True for a failure that the other end reported: the other end knows it already.
  [[nodiscard]] bool from_peer() const noexcept { return from_peer_; }
  void set_from_peer() noexcept { from_peer_ = true; }

 private:
  Status status_;
  std::string attempt_, cause_, hint_, what_;
  bool from_peer_ = false;
};

// The text of an errno value, thread-safe.
[[nodiscard]] std::string errno_text(int error);

// Throws Error{status, attempt, text of `error`}.
[[noreturn]] void throw_errno(int error, Status status, std::string_view attempt);

// One checker for each convention of reporting errors. errno is read before anything is formatted.
int check(int result, Status status, std::string_view attempt);           // -1 and errno
long check_long(long result, Status status, std::string_view attempt);    // -1 and errno
void check_value(int error, Status status, std::string_view attempt);     // 0 or an errno value
int check_negative(int result, Status status, std::string_view attempt);  // -errno
template <typename T>
T* check_pointer(T* result, Status status, std::string_view attempt) {  // null and errno
  check(result == nullptr ? -1 : 0, status, attempt);
  return result;
}

// `text` with control characters and invalid UTF-8 replaced, cut to `limit` bytes: what came from outside and
// goes to a terminal.
[[nodiscard]] std::string printable(std::string_view text, std::size_t limit = 400);

}  // namespace rdpipe
