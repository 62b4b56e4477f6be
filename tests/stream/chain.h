// A chain of three for tests: a sender, one that passes on, and a last receiver, each on a thread and a loop
// of its own, over loopback links.
#pragma once

#include <future>
#include <memory>
#include <thread>
#include <utility>

#include "stream/forward_sink.h"
#include "stream/transfer.h"

namespace rdpipe {

struct ChainSetup {
  FaultScript first{};   // of the link between the sender and the one in the middle, which is the second end
  FaultScript second{};  // and of the one behind it
  bool seals_next = false;
  bool copies = false;
  bool digest = true;
  RingShape middle_ring{16_KiB, 8};
  CompressionUse next_compression = CompressionUse::kOff;
  Nanoseconds last_stall_limit{0};
};

struct ChainOutcome {
  Outcome sent, passed_on, received;
};

inline std::unique_ptr<Session> accept_one(Loop& loop, std::unique_ptr<Link> link) {
  OneLink acceptor(std::move(link));
  Lobby lobby(loop, acceptor, test_key(), [](const std::string&) {});
  const auto deadline = in_good_time();
  for (;;) {
    if (auto session = lobby.poll()) return session;
    if (deadline.passed()) throw Error(Status::kConnectTimeout, "test", "nobody came");
    loop.wait(deadline);
  }
}

inline Offer offer_of(Role role, const ChainSetup& setup) {
  Offer offer;
  offer.role = role;
  offer.slot_size = static_cast<std::uint32_t>(setup.middle_ring.slot_size);
  offer.digest = setup.digest ? Choice::kAuto : Choice::kNo;
  return offer;
}

// As rdrecv --forward does it.
inline Outcome pass_on(Loop& loop, const ChainSetup& setup, std::unique_ptr<Link> in,
                       std::unique_ptr<Link> out, std::shared_ptr<Sink> own) {
  Outcome outcome;
  Ring ring(setup.middle_ring);
  const bool copies = setup.copies || setup.seals_next || setup.next_compression != CompressionUse::kOff;
  Ring carriers({copies ? setup.middle_ring.slot_size : kPageSize, setup.middle_ring.slots + 1});
  std::unique_ptr<Session> next = authenticate(loop, std::move(out), test_key(), in_good_time());
  std::unique_ptr<Session> session = accept_one(loop, std::move(in));
  constexpr auto kLastWords = std::chrono::seconds(2);
  try {
    session->prepare();
    Offer offer = offer_of(Role::kSends, setup);
    offer.size = session->await_offer(loop, in_good_time()).size;
    offer.seal = setup.seals_next ? Choice::kYes : Choice::kNo;
    offer.compressions = methods_of(setup.next_compression);
    static_cast<void>(next->exchange(loop, offer, in_good_time()));
    for (Ring* one : {&ring, &carriers}) next->link().attach(*one);
    session->link().attach(ring);
    static_cast<void>(session->exchange(loop, offer_of(Role::kReceives, setup), in_good_time()));
    ForwardSink sink(std::move(own), *next, carriers,
                     {.copies = setup.copies,
                      .knows_root = session->terms().digest,
                      .compression = {.use = setup.next_compression}});
    outcome.result = receive_stream(loop, *session, ring, sink, {});
    static_cast<void>(session->finish(loop, kLastWords));
    static_cast<void>(next->finish(loop, kLastWords));
  } catch (const Error& error) {
    next->dismiss(error, session.get());
    session->fail(loop, error, kLastWords, next.get());
    static_cast<void>(next->finish(loop, kLastWords));
    outcome.error = error;
  }
  return outcome;
}

// A thread with a loop that others make links to.
class LoopThread {
 public:
  template <typename Work>  // Outcome work(Loop&)
  explicit LoopThread(Work work)
      : thread_([this, work = std::move(work)]() mutable {
          Loop loop;
          loop_.set_value(&loop);
          outcome_.set_value(work(loop));
        }) {}
  LoopThread(const LoopThread&) = delete;
  LoopThread& operator=(const LoopThread&) = delete;
  ~LoopThread() { thread_.join(); }
  [[nodiscard]] Loop& loop() { return *loop_.get_future().get(); }
  [[nodiscard]] Outcome outcome() { return outcome_.get_future().get(); }

 private:
  std::promise<Loop*> loop_;
  std::promise<Outcome> outcome_;
  std::thread thread_;
};

inline ChainOutcome chain(Source& source, std::shared_ptr<Sink> own, Sink& last,
                          const ChainSetup& setup = {}) {
  using LinkPromise = std::promise<std::unique_ptr<Link>>;
  LinkPromise in, out, end;
  Setup at_ends;
  at_ends.digest = setup.digest;
  Setup at_last = at_ends;
  at_last.sealed = setup.seals_next;
  at_last.options.stall_limit = setup.last_stall_limit;
  LoopThread receiver([&](Loop& loop) { return receive_end(loop, at_last, end.get_future().get(), last); });
  LoopThread middle([&](Loop& loop) {
    auto link = in.get_future().get();
    return pass_on(loop, setup, std::move(link), out.get_future().get(), std::move(own));
  });
  Loop loop;
  Loop& middle_loop = middle.loop();
  auto [first, second] = make_loopback(loop, middle_loop, setup.first);
  auto [third, fourth] = make_loopback(middle_loop, receiver.loop(), setup.second);
  in.set_value(std::move(second));
  out.set_value(std::move(third));
  end.set_value(std::move(fourth));
  Outcome sent = send_end(loop, at_ends, std::move(first), source);
  return {std::move(sent), middle.outcome(), receiver.outcome()};
}

}  // namespace rdpipe
