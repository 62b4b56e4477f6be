// A server of trees: many clients at once, each with a key of its own, all confined to one directory. The
// other side of it is Connection::to_server(). A Server belongs to one thread, which makes, runs and destroys
// it; each client has a thread of its own besides. SIGPIPE must be ignored. Errors are thrown as
// rdpipe::Error.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <rdpipe/connection.h>
#include <rdpipe/copy.h>
#include <rdpipe/options.h>

namespace rdpipe {

constexpr std::uint16_t kServerPort = 7470;  // where nobody says

// One key that a server knows.
struct ServedKey {
  std::string name{};       // for the log
  std::string key{};        // 64 hexadecimal digits, or a passphrase
  std::string directory{};  // beneath the server's; empty: all of it
  bool may_read = true, may_write = true;
};

// What a client asks for, made of the words that it sends. Of levels of zstd it gets 6 at most.
struct ServedCopy {
  bool sends = false;                // the server sends; otherwise it receives
  std::vector<std::string> paths{};  // sources, or the destination alone
  CopyOptions copy{};
  Compression compression{};  // of what the server sends
};

// What became of one client that was let in.
struct ServedTransfer {
  std::string client{};     // "10.0.0.2:51342"
  std::string key{};        // its name
  bool sent = false;        // the server sent
  std::string path{};       // as asked for: the destination, or the first source; at most 4096 bytes
  std::size_t paths = 1;    // how many were asked for
  bool dry_run = false;     // nothing was to travel, and nothing has
  std::uint64_t files = 0;  // whose content travelled
  std::uint64_t bytes = 0;  // of content that travelled
  std::chrono::nanoseconds elapsed{0};
  std::string fabric{};  // "RDMA" or "TCP"
  std::string device{};  // "mlx5_0"; may be empty
  int status = 0;        // as the exit status of a tool: 0 for a whole copy
  std::string cause{};   // in one line, unless it is 0
};

constexpr unsigned kMostServedClients = 4096;  // at once

enum class ServerState : unsigned char { kRunning, kStopping, kStopped };

struct ServerStatus {
  ServerState state = ServerState::kRunning;  // stopping: as soon as it is told to
  std::size_t clients = 0, waiting = 0;
  std::uint64_t transfers = 0, failures = 0;          // that have ended, and how many of them not with 0
  std::uint64_t bytes = 0;                            // of content, since the start
  double rate_10s = 0, rate_1min = 0, rate_5min = 0;  // bytes of content a second
};

struct ServeOptions {
  std::string directory{};
  std::string port = std::to_string(kServerPort);
  // Called at the start and by reload(); at least one, names differ. What it throws ends the start, and
  // leaves the old keys where they are reloaded.
  std::function<std::vector<ServedKey>()> keys{};
  bool may_read = true, may_write = true;  // anybody

  unsigned max_clients = 32;  // at once, 1 to kMostServedClients; others wait, or are refused
  // Of one key, at most, and of the memory as large a part. 0: with one key all, otherwise three quarters,
  // rounded down.
  unsigned max_clients_per_key = 0;
  std::size_t memory = 0;  // for the rings of all clients together, bytes; 0: max_clients of them
  std::chrono::nanoseconds grace = std::chrono::seconds(30);  // for transfers, once it is stopped
  std::string user{};  // "USER" or "USER:GROUP" to become before it listens; empty: whoever starts it
  // Where the kernel has Landlock, the server reaches nothing outside `directory` but what the libraries
  // need, and these directories, for the functions below.
  std::vector<std::string> readable{}, writable{};

  // What clients cannot have unless they ask and this says so.
  bool keep_owners = false;        // owners, groups, and attributes beyond user.* (root)
  bool make_devices = false;       // device nodes (root)
  bool keep_special_bits = false;  // set-user-ID and set-group-ID

  // Makes sense of a client's words; throws Error{kUsage}. On the server's thread.
  std::function<ServedCopy(const std::vector<std::string>& words)> understand{};
  // All on the server's thread. A client was let in, and has ended:
  std::function<void(const ServedTransfer& transfer)> transferred{};
  // Strangers and clients that were turned away, and what else is going on.
  std::function<void(const std::string& line)> notice{};
  // What is wrong with the server itself: keys that cannot be read again, a kernel that does not confine it.
  std::function<void(const std::string& line)> trouble{};
  // What reload() has asked for is done, or has failed.
  std::function<void()> reloaded{};
  // When something has changed, and every 10 s while the rates are not 0; at most once a second.
  std::function<void(const ServerStatus& status)> changed{};
};

class __attribute__((visibility("default"))) Server {
 public:
  // Becomes `user`, confines the calling thread for good, and listens. The umask that there is then stays
  // that of the server. Of `options` fabric, address, device, gid_index, ip, ring_size, slot_size (each
  // client's), timeout (of a client without progress), keep_alive, encrypt, checksum, use_uring and
  // interrupts count.
  Server(ServeOptions serve, Options options);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server();

  [[nodiscard]] std::uint16_t port() const;
  [[nodiscard]] std::string describe() const;  // "RDMA (mlx5_0) and TCP"

  // Serves until it is stopped. False when transfers were cut.
  bool run();
  // These are for Options::on_interrupt: what they ask for is done by run(). The first stop() lets transfers
  // end, for as long as `grace`; the second cuts them.
  void stop();
  void reload();
  [[nodiscard]] ServerStatus status() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rdpipe
