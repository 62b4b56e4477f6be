// A thread with a loop of its own, for an endpoint: it runs until its work is done or it is told to stop, and
// what its work threw is kept. The owner, on another thread, makes it, stops it and asks.
#pragma once

#include <atomic>
#include <exception>
#include <functional>
#include <future>
#include <memory>
#include <thread>

#include <rdpipe/datagram.h>

namespace rdpipe::tools {

class PingThread {
 public:
  // `work` looks at stopped() whenever it has slept in the loop; where it calls what sleeps for long, it has
  // the loop interrupted on stop_fd(). `over` is called on the thread when its work has ended, whichever way.
  using Work = std::function<void(Loop& loop, const PingThread& thread)>;
  PingThread(Work work, std::function<void()> over);
  PingThread(const PingThread&) = delete;
  PingThread& operator=(const PingThread&) = delete;
  ~PingThread();  // stops it

  void stop() noexcept;
  [[nodiscard]] bool stopped() const noexcept { return stopped_; }
  [[nodiscard]] int stop_fd() const noexcept { return stop_fd_; }  // readable from stop() on
  [[nodiscard]] bool over() const noexcept { return is_over_; }
  // What the work threw, once it is over.
  [[nodiscard]] std::exception_ptr thrown() const noexcept { return thrown_; }

 private:
  void run(const Work& work, const std::function<void()>& over);

  int stop_fd_;
  std::atomic<bool> stopped_{false}, is_over_{false};
  std::exception_ptr thrown_;  // before is_over_
  std::promise<Loop*> loop_made_;
  std::promise<void> may_end_;
  Loop* loop_ = nullptr;  // lives until may_end_
  std::thread thread_;
};

}  // namespace rdpipe::tools
