// What ends a transfer, as an exception that says what was attempted, what the cause was and, where the
// user can do something about it, what.
#pragma once

#include <exception>
#include <string>

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

class __attribute__((visibility("default"))) Error : public std::exception {
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

}  // namespace rdpipe
