#include "rdpipe/caller.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <new>
#include <system_error>
#include <utility>

#include "ground/signals_blocked.h"
#include "rdpipe/fabric_options.h"

namespace rdpipe {
namespace {

constexpr Nanoseconds kLastWords = std::chrono::seconds(2);

}  // namespace

Caller::Caller(Loop& loop, PeerAddress peer, const Key& key, const Options& options, MakeOffer offer)
    : loop_(loop),
      peer_(std::move(peer)),
      key_(key),
      options_(options),
      offer_(std::move(offer)),
      cut_(check(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), Status::kMemory, "make an eventfd")) {
  const SignalsBlocked blocked;  // handlers of a program run on its own threads
  try {
    thread_ = std::thread([this] { run(); });
  } catch (const std::system_error& error) {
    throw_errno(error.code().value(), Status::kMemory, "start a thread");
  }
}

Caller::~Caller() {
  cut({Status::kSignal, "send to several receivers", "given up"});
  if (!asked_) wanted_.set_value(false);
  thread_.join();
}

void Caller::cut(const Error& why) {
  {
    const std::lock_guard lock(mutex_);
    if (!cut_why_) cut_why_ = why;
  }
  const std::uint64_t one = 1;
  static_cast<void>(::write(cut_.get(), &one, sizeof one));
}

Error Caller::cut_why() {
  const std::lock_guard lock(mutex_);
  return cut_why_.value();
}

bool Caller::poll() {
  if (agreed_ && !asked_) {
    asked_ = true;
    wanted_.set_value(true);
    moved_.get_future().wait();  // which takes no time
  }
  return ended_ || (asked_ && session_ != nullptr);
}

void Caller::run() {
  try {
    Loop own(loop_options(options_));
    own.interrupt_on(cut_.get(), [this] { throw Error(cut_why()); });
    call(own);
  } catch (const Error& error) {
    failure_ = error;
  } catch (const std::bad_alloc&) {
    failure_ = Error(Status::kMemory, "connect", "out of memory");
  }
  ended_ = true;
  loop_.notify();
}

void Caller::call(Loop& own) {
  const Deadline deadline = Deadline::in(options_.connect_timeout);
  auto link = connect(own, peer_, fabric_options(options_), deadline,
                      [this](const std::string& text) { notices_.push_back(text); });
  auto session = agree(own, authenticate(own, std::move(link), key_, deadline), deadline);
  agreed_ = true;
  loop_.notify();
  if (!wanted_.get_future().get()) return dismiss(own, *session, cut_why());
  try {
    session->link().move_to(loop_);
    session_ = std::move(session);
  } catch (...) {
    lost_ = std::move(session);
    moved_.set_value();
    throw;
  }
  moved_.set_value();
}

std::unique_ptr<Session> Caller::agree(Loop& own, std::unique_ptr<Session> session, Deadline deadline) const {
  try {
    const Nanoseconds limit = std::max(options_.timeout, options_.connect_timeout);
    static_cast<void>(
        session->exchange(own, offer_(session->link().info().fabric), deadline, {.limit = limit}));
  } catch (const Error& error) {
    dismiss(own, *session, error);
    throw;
  }
  return session;
}

// Also when it was cut: that does not cut short its last words.
void Caller::dismiss(Loop& own, Session& session, const Error& error) const {
  own.interrupt_on(-1, {});
  session.fail(own, error, kLastWords);
}

}  // namespace rdpipe
