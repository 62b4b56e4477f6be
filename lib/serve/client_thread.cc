#include "serve/client_thread.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>
#include <new>
#include <system_error>
#include <utility>

namespace rdpipe {
namespace {

[[noreturn]] void throw_cut(int eventfd) {
  std::uint64_t count = 0;
  static_cast<void>(::read(eventfd, &count, sizeof count));
  throw Error(Status::kSignal, "serve", "the server stops");
}

}  // namespace

ClientThread::ClientThread(Loop& loop, LoopOptions options, std::unique_ptr<Session>& session,
                           std::function<void()> prepare, Work work)
    : server_loop_(loop),
      options_(std::move(options)),
      cut_(check(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), Status::kMemory, "make an eventfd")) {
  try {
    thread_ =
        std::thread([this, prepare = std::move(prepare), work = std::move(work)] { run(prepare, work); });
  } catch (const std::system_error& error) {
    throw_errno(error.code().value(), Status::kMemory, "start a thread");
  }
  session_ = std::move(session);
}

std::optional<Error> ClientThread::failure() const {
  if (!failure_) return {};
  try {
    std::rethrow_exception(failure_);
  } catch (const Error& error) {
    return error;
  } catch (const std::bad_alloc&) {
    return Error(Status::kMemory, "serve", "out of memory");
  } catch (...) {
    return Error(Status::kFileIo, "serve", "it failed in an unknown way");
  }
}

ClientThread::~ClientThread() {
  cut();
  if (!handed_over_) handed_.set_value(nullptr);
  thread_.join();
}

void ClientThread::poll() {
  Loop* loop = ready_.load();
  if (loop == nullptr || handed_over_) return;
  session_->link().move_to(*loop);
  handed_over_ = true;
  handed_.set_value(std::move(session_));
}

void ClientThread::cut() {
  const std::uint64_t one = 1;
  static_cast<void>(::write(cut_.get(), &one, sizeof one));
}

void ClientThread::run(const std::function<void()>& prepare, const Work& work) {
  try {
    prepare();
    const auto loop = std::make_shared<Loop>(options_);
    loop->interrupt_on(cut_.get(), [fd = cut_.get()] { throw_cut(fd); });
    ready_ = loop.get();
    server_loop_.notify();
    if (auto session = handed_.get_future().get()) work(loop, std::move(session));
  } catch (...) {  // whatever it is, it is this client's alone
    failure_ = std::current_exception();
  }
  ended_ = true;
  server_loop_.notify();
}

}  // namespace rdpipe
