// One stream to several receivers at once: read once, digested once, and sent to each at its own pace. One
// thread, but for the time it takes to connect, when each receiver has one of its own.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <rdpipe/connection.h>
#include <rdpipe/endpoint.h>
#include <rdpipe/error.h>
#include <rdpipe/options.h>

namespace rdpipe {

struct Receiver {
  std::string host;  // may be a bracketed literal
  std::string port;
  bool operator==(const Receiver&) const = default;
};

// What became of one of them.
struct ReceiverResult {
  std::string name{};            // "db2:9090"
  Result result{};               // bytes it was sent, and how; the rest where it has committed
  std::optional<Error> error{};  // why it has not
  bool given_up = false;         // not for a failure of its own
  bool unknown = false;          // it was sent the end and has not said since whether it has the data
};

struct FanOutOptions {
  std::size_t min_receivers = 0;          // that must commit, or nobody goes on; 0: all
  std::chrono::nanoseconds drop_slow{0};  // one that has held up the others for so long is given up; 0: never
  // Hears of each one that has failed, when it has; on the calling thread.
  std::function<void(const ReceiverResult&)> failed{};
};

struct FanOutReport {
  Result stream{};  // what was read, and the digests of that; elapsed: until the last one had committed
  std::vector<ReceiverResult> receivers{};  // in the order in which they were given
  // Why fewer than min_receivers have committed. Those that have, have: there is no two-phase commit.
  std::optional<Error> error{};
};

class __attribute__((visibility("default"))) FanOut {
 public:
  // Connects to all of them at once, with the same key, and returns when each has come or failed; nothing of
  // `input` is read. The options are those of Connection::send(), but that a buffer has no watermarks; rates
  // count the stream once. Throws Error{kUsage} for what makes no sense; what else goes wrong is in the
  // report.
  FanOut(Input input, const std::vector<Receiver>& receivers, std::string_view key,
         const FanOutOptions& fan_out, const Options& options = {});
  FanOut(FanOut&&) noexcept;
  FanOut& operator=(FanOut&&) noexcept;
  ~FanOut();

  // Returns when each has committed or failed, or when too few are left. Once.
  [[nodiscard]] FanOutReport send();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// "db2:9090", "[fe80::1]:9090".
[[nodiscard]] __attribute__((visibility("default"))) std::string name_of(const Receiver& receiver);

}  // namespace rdpipe
