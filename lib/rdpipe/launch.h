// Copying to and from hosts that a remote shell reaches: starts rdcp there, gives it a fresh key over its
// standard input, and makes the connection, over RDMA, TCP, or the shell itself. The other side of it is
// LaunchedCopy. All of it belongs to one thread, on which the functions it is given are called. SIGPIPE must
// be ignored, SIGCHLD must not be, and nobody else may take the exit status of the shell. Errors are thrown
// as rdpipe::Error; a status of ssh's own (255, 127) is that error's status.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <rdpipe/connection.h>
#include <rdpipe/copy.h>
#include <rdpipe/host_path.h>
#include <rdpipe/options.h>

namespace rdpipe {

enum class ListenUse : unsigned char { kAuto, kLocal, kRemote };  // auto: the other host, else this one

struct LaunchOptions {
  std::string shell{};                     // the remote shell, as for a shell: "ssh -p 2222"; empty: ssh
  std::vector<std::string> ssh_options{};  // each given to it as `-o OPTION`
  std::string ssh_config{};                // ... as `-F FILE`
  std::string jump{};                      // ... as `-J HOST`
  std::string rdcp_path = "rdcp";          // the command there, as for a shell

  ListenUse listen = ListenUse::kAuto;
  std::uint16_t lowest_port = 0, highest_port = 0;  // of the end that listens, in this order; 0: any
  std::string address{};  // at which the end that listens is reached; empty: those it finds on itself

  // Hears each line that the other host, or the shell to it, prints on standard error, made printable.
  std::function<void(const std::string& host, const std::string& line)> remote_line{};
  // Hears which way the data takes, and why.
  std::function<void(const std::string&)> detail{};
};

// Good for one connect() or one copy_between().
class __attribute__((visibility("default"))) Launcher {
 public:
  // Of `options` the address is not used. Throws Error{kUsage} for what is out of its range.
  Launcher(LaunchOptions launch, Options options);
  Launcher(const Launcher&) = delete;
  Launcher& operator=(const Launcher&) = delete;
  ~Launcher();  // whatever it has started is ended

  // Starts rdcp with `words` (options, --sender or --receiver, `--`, paths there) on the host of `where`,
  // which is remote, and waits for it without limit: somebody may have to type a password. The connection
  // must be gone before the launcher. Throws Error{kUsage} for a shell or an rdcp_path that cannot be taken
  // apart, {kCommand} for one that cannot be started, and what the other rdcp says (from_peer()).
  [[nodiscard]] Connection connect(const HostPath& where, const std::vector<std::string>& words);
  // Waits for the shell that connect() has started, and ends it after 10 s; its exit status, 0 where none was
  // started. After the connection is gone.
  int finish();
  // The same where the other end was told to remove its sources: waits for that without limit, tells
  // remote_line of those that stay, and counts them as failed.
  void finish_removing(CopyReport& report);

  // Starts rdcp on both hosts, with the words for each; the data goes straight from one to the other, or,
  // where neither can reach the other, through this host. Of `copy` the functions that hear are used, and
  // remove_source_files, for which it waits. Returns what the receiver reports, and what could not be
  // removed; throws the status of the end that has failed.
  CopyReport copy_between(const HostPath& from, const std::vector<std::string>& from_words,
                          const HostPath& to, const std::vector<std::string>& to_words,
                          const CopyOptions& copy);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The rdcp that a Launcher has started. Its standard input and output are the launcher's.
class __attribute__((visibility("default"))) LaunchedCopy {
 public:
  // Takes over standard input and output, which lead nowhere from then on (one in a process), and waits for
  // its orders. Throws Error{kProtocol}, {kSignal} when the launcher goes.
  LaunchedCopy();
  LaunchedCopy(const LaunchedCopy&) = delete;
  LaunchedCopy& operator=(const LaunchedCopy&) = delete;
  ~LaunchedCopy();

  [[nodiscard]] const std::vector<std::string>& words() const;  // as given to the Launcher
  // `known` is an address at which the launcher's host is known to reach this one; may be empty. The
  // connection must be gone before this. Waits without limit; it and the connection throw Error{kSignal} when
  // the launcher goes. Once.
  [[nodiscard]] Connection connect(const LaunchOptions& launch, const Options& options,
                                   const std::string& known);
  [[nodiscard]] bool connected() const;
  // Tells the launcher, when there is no connection (yet) that could.
  void refuse(const Error& error) noexcept;

  // A source that could not be removed: the last thing that a sender does, when nobody else hears it.
  static void tell_unremoved(const std::string& line);
  // For copy_between(), where the launcher is none of the two ends: what it is to hear, on standard error.
  static void tell_line(const std::string& line);
  static void tell_progress(const CopyProgress& progress);
  static void tell_report(const CopyReport& report);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rdpipe
