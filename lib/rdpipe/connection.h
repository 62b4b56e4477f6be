// An authenticated connection that carries one stream in one direction: a whole one from an Input to an
// Output, bytes by write() at one end and read() at the other, or a tree of files. A stream that is not known
// to be complete is an Error, never an end. A Connection and the Listener it came from belong to one thread;
// none is started beyond a few workers (and copy_tree()'s one). Errors are thrown as rdpipe::Error; the
// connection is then of no more use. SIGPIPE must be ignored where an Output is a pipe.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <rdpipe/copy.h>
#include <rdpipe/endpoint.h>
#include <rdpipe/error.h>
#include <rdpipe/options.h>

namespace rdpipe {

// A fresh random key: 64 hexadecimal digits.
[[nodiscard]] __attribute__((visibility("default"))) std::string generate_key();
// True for a passphrase so short (below 12 characters) that whoever records a handshake can guess it.
[[nodiscard]] __attribute__((visibility("default"))) bool is_short_key(std::string_view key);

struct Result {
  std::uint64_t bytes = 0;
  std::uint64_t data_bytes = 0;         // of these, what is no hole
  std::uint64_t wire_bytes = 0;         // ... as it crossed the line
  bool compressed = false;              // there, where that shrank it
  std::chrono::nanoseconds elapsed{0};  // from the first byte until it was in place at the far end
  std::string digest{};                 // the stream digest, 32 hexadecimal digits; empty where it was off
  std::string hash{};                   // of Options::hash
  std::string fabric{};                 // "RDMA" or "TCP"
  std::string device{};                 // "mlx5_0"; may be empty
  std::string peer{};                   // the other end's host name
  bool sealed = false;
  unsigned retries = 0;        // tries to connect that came to nothing before the one that did
  std::string forwarded_to{};  // the next receiver's host name; empty: there was none
  std::string forwarded_by{};  // the fabric to there
  std::string warning{};       // done, but something is worth a line; usually empty
};

// What a client asks a server (serve.h) for.
struct ServerRequest {
  std::vector<std::string>
      words{};         // options that the other end is told, --sender or --receiver, `--`, paths
  bool waits = false;  // for its turn where the server is busy; otherwise that is an error
  // Hears how many wait in front, when that changes.
  std::function<void(std::size_t ahead)> waiting{};
};

class Key;
class Listener;
class Loop;
class Session;

// Where a receiver also sends what it receives: to an rdrecv. The key is wiped with the last copy.
class __attribute__((visibility("default"))) NextReceiver {
 public:
  // Throws Error{kUsage} for an empty host. `host` may be a bracketed literal.
  NextReceiver(const std::string& host, const std::string& port, std::string_view key);

 private:
  friend class NextLink;
  std::string host_, port_;
  std::shared_ptr<const Key> key_;
};

// Copies trees from this host to this host, within the process: the receiver on the calling thread, the
// sender on one of its own, the content of large files shared or copied by the kernel (reflink,
// copy_file_range) where the file system can. Hears both ends. Of `options` the sizes, connect_timeout,
// timeout, checksum, use_uring and interrupts count. Any thread. Throws Error.
[[nodiscard]] __attribute__((visibility("default"))) CopyReport copy_tree(
    const std::vector<std::string>& sources, const std::string& destination, const CopyOptions& copy,
    const Options& options = {});

class __attribute__((visibility("default"))) Connection {
 public:
  // Tries until Options::connect_timeout has passed. `host` may be a bracketed literal. Throws Error.
  [[nodiscard]] static Connection connect(const std::string& host, const std::string& port,
                                          std::string_view key, const Options& options = {});
  // The same to a Server, which has admitted `request` when this returns; what waits for its turn waits
  // without limit. Throws what the server refuses it with (from_peer()).
  [[nodiscard]] static Connection to_server(const std::string& host, const std::string& port,
                                            std::string_view key, const ServerRequest& request,
                                            const Options& options = {});
  Connection(Connection&&) noexcept;
  Connection& operator=(Connection&&) noexcept;
  ~Connection();  // the other end sees a lost connection unless the stream was finished

  // Return when the far end has every byte, has checked it and has put it where it was told to. Once.
  Result send(Input input);
  Result receive(Output output);
  // The same into what `open` gives, now that there is a sender, who is told when it throws. Where there is a
  // `next`, also on to there, as it comes, and `open` may give nothing; the sender sends only once it has
  // agreed to that. The next receiver commits first, then this host's output.
  Result receive(const std::function<std::optional<Output>()>& open, std::optional<NextReceiver> next);

  // A tree instead of a stream; the other end does the other. They return when everything is in place, but
  // for what the report counts as failed; throw Error for what ends the copy (then every file is the old or
  // the new one). `sources` and `destination` are paths of this host; the rules are in copy.h. Once.
  CopyReport send_tree(const std::vector<std::string>& sources, const CopyOptions& copy);
  CopyReport receive_tree(const std::string& destination, const CopyOptions& copy);

  // The sender's half by bytes: write() returns when `bytes` were taken, not when they arrived; finish() when
  // the far end has taken and checked them all.
  void write(std::span<const std::byte> bytes);
  Result finish();
  // The receiver's half by bytes: how many were put into `into`, which is not empty, at least 1; 0 only at
  // the real end, checked. Bytes come before the final check.
  [[nodiscard]] std::size_t read(std::span<std::byte> into);

 private:
  friend class Launcher;
  friend class LaunchedCopy;
  friend class Listener;
  friend class ServedClient;
  struct State;
  // What was authenticated elsewhere; of `options` those of interrupts are the loop's already.
  [[nodiscard]] static Connection over(std::shared_ptr<Loop> loop, std::unique_ptr<Session> session,
                                       const Options& options);
  [[nodiscard]] static Connection connect_to_server(const std::string& host, const std::string& port,
                                                    std::string_view key, const Options& options);
  explicit Connection(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

class __attribute__((visibility("default"))) Listener {
 public:
  // `port` "0": a free one. Throws Error.
  Listener(const std::string& port, std::string_view key, const Options& options = {});
  Listener(Listener&&) noexcept;
  Listener& operator=(Listener&&) noexcept;
  ~Listener();

  [[nodiscard]] std::uint16_t port() const;
  [[nodiscard]] std::string describe() const;  // what it listens on: "RDMA (mlx5_0) and TCP"
  // Waits, without limit, for somebody who knows the key. Strangers are turned away and reported to
  // Options::notice.
  [[nodiscard]] Connection accept();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rdpipe
