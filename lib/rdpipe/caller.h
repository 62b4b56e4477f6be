// One receiver that is being connected, on a short-lived thread with a loop of its own: so that many are at
// once, and none waits for another. It ends with a session whose terms are agreed, on the loop of whoever
// asked for it. All calls are made on that loop's thread.
#pragma once

#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <rdpipe/options.h>

#include "ground/descriptor.h"
#include "ground/error.h"
#include "io/loop.h"
#include "session/key.h"
#include "session/session.h"
#include "transport/fabric.h"

namespace rdpipe {

class Caller {
 public:
  // What is offered, which depends on the fabric.
  using MakeOffer = std::function<Offer(Fabric)>;
  // Starts it. `loop`, which is woken when there is news, and `key` outlive it. Throws Error{kMemory} when
  // there can be no thread.
  Caller(Loop& loop, PeerAddress peer, const Key& key, const Options& options, MakeOffer offer);
  Caller(const Caller&) = delete;
  Caller& operator=(const Caller&) = delete;
  ~Caller();  // cuts it, and waits for its end

  // Whether there is a session or a failure; to be called whenever the loop has woken.
  [[nodiscard]] bool poll();
  // Then: the session, or nothing and why.
  [[nodiscard]] std::unique_ptr<Session> take() { return std::move(session_); }
  [[nodiscard]] const std::optional<Error>& failure() const { return failure_; }
  // What a user may want to know of it: Options::notice is not called on another thread.
  [[nodiscard]] const std::vector<std::string>& notices() const { return notices_; }
  // Ends it, if it has not come to an end; a receiver that can hear it is told `why`.
  void cut(const Error& why);

 private:
  [[nodiscard]] Error cut_why();
  void run();
  void call(Loop& own);
  [[nodiscard]] std::unique_ptr<Session> agree(Loop& own, std::unique_ptr<Session> session,
                                               Deadline deadline) const;
  void dismiss(Loop& own, Session& session, const Error& error) const;

  Loop& loop_;
  PeerAddress peer_;
  const Key& key_;
  Options options_;
  MakeOffer offer_;
  Descriptor cut_;  // an eventfd
  std::mutex mutex_;
  std::optional<Error> cut_why_;  // with the mutex held
  // The thread's, until it has ended.
  std::vector<std::string> notices_;
  std::optional<Error> failure_;
  std::atomic<bool> agreed_ = false, ended_ = false;
  std::promise<bool> wanted_;  // the loop is not in use: the session can be moved to it
  bool asked_ = false;
  std::promise<void> moved_;
  std::unique_ptr<Session> session_, lost_;  // lost_: half moved, and so the loop's thread's to destroy
  std::thread thread_;                       // last: it uses the others
};

}  // namespace rdpipe
