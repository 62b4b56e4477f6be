#include "ping_thread.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include <rdpipe/error.h>

namespace rdpipe::tools {

PingThread::PingThread(Work work, std::function<void()> over) : stop_fd_(::eventfd(0, EFD_CLOEXEC)) {
  if (stop_fd_ == -1) throw Error(Status::kMemory, "start a thread", std::strerror(errno));
  auto made = loop_made_.get_future();
  try {
    thread_ = std::thread([this, work = std::move(work), over = std::move(over)] { run(work, over); });
    loop_ = made.get();
  } catch (...) {
    if (thread_.joinable()) thread_.join();
    ::close(stop_fd_);
    throw;
  }
}

PingThread::~PingThread() {
  stop();
  may_end_.set_value();
  thread_.join();
  ::close(stop_fd_);
}

void PingThread::stop() noexcept {
  stopped_ = true;
  ::eventfd_write(stop_fd_, 1);
  loop_->notify();
}

void PingThread::run(const Work& work, const std::function<void()>& over) {
  std::unique_ptr<Loop> loop;
  try {
    loop = std::make_unique<Loop>();
  } catch (...) {
    return loop_made_.set_exception(std::current_exception());
  }
  auto may_end = may_end_.get_future();
  loop_made_.set_value(loop.get());
  try {
    work(*loop, *this);
  } catch (...) {
    thrown_ = std::current_exception();
  }
  is_over_ = true;
  over();
  may_end.wait();
}

}  // namespace rdpipe::tools
