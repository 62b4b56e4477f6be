#include "ping_thread.h"

#include <utility>

namespace rdpipe::tools {

PingThread::PingThread(Work work, std::function<void()> over) {
  auto made = loop_made_.get_future();
  thread_ = std::thread([this, work = std::move(work), over = std::move(over)] { run(work, over); });
  try {
    loop_ = made.get();
  } catch (...) {
    thread_.join();
    throw;
  }
}

PingThread::~PingThread() {
  stop();
  may_end_.set_value();
  thread_.join();
}

void PingThread::stop() noexcept {
  stopped_ = true;
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
