// One client's thread: it has a loop of its own, and runs one session there from beginning to end. All calls
// are made on the server's thread, but for the work itself.
#pragma once

#include <atomic>
#include <exception>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <thread>

#include "ground/descriptor.h"
#include "ground/error.h"
#include "io/loop.h"
#include "session/session.h"

namespace rdpipe {

class ClientThread {
 public:
  // Runs on the new thread. Whatever it throws is this client's failure.
  using Work = std::function<void(std::shared_ptr<Loop> loop, std::unique_ptr<Session> session)>;
  // Starts it. `prepare` runs first on the new thread, and may throw Error; the thread's loop is made with
  // `options`. `loop` is the server's, which is woken by the thread. Throws Error{kMemory} when there can be
  // no thread; the session is then still there.
  ClientThread(Loop& loop, LoopOptions options, std::unique_ptr<Session>& session,
               std::function<void()> prepare, Work work);
  ClientThread(const ClientThread&) = delete;
  ClientThread& operator=(const ClientThread&) = delete;
  ~ClientThread();  // cuts it, and waits for its end

  // Hands the session over as soon as the thread can take it; to be called whenever the loop has woken.
  void poll();
  [[nodiscard]] bool ended() const noexcept { return ended_; }
  // After its end: a session that the thread could not take, and why.
  [[nodiscard]] std::unique_ptr<Session> take_unserved() { return std::move(session_); }
  [[nodiscard]] std::optional<Error> failure() const;
  // Ends the work with Error{kSignal}, of which the client hears.
  void cut();

 private:
  void run(const std::function<void()>& prepare, const Work& work);

  Loop& server_loop_;
  LoopOptions options_;
  std::unique_ptr<Session> session_;    // until it is handed over
  Descriptor cut_;                      // an eventfd
  std::exception_ptr failure_;          // the thread's, until it has ended
  std::atomic<Loop*> ready_ = nullptr;  // the thread's loop, once it waits for the session
  std::promise<std::unique_ptr<Session>> handed_;
  bool handed_over_ = false;
  std::atomic<bool> ended_ = false;
  std::thread thread_;  // last: it uses the others
};

}  // namespace rdpipe
