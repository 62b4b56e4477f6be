// Whole transfers for tests: a sender and a receiver, each on a thread and a loop of its own, over the
// loopback link.
#pragma once

#include <array>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "io/loop.h"
#include "session/session.h"
#include "stream/receive.h"
#include "stream/send.h"
#include "transport/loopback.h"
#include "transport/one_link.h"

namespace rdpipe {

struct Outcome {
  std::optional<StreamResult> result;
  std::optional<Error> error;
  [[nodiscard]] Status status() const { return error ? error->status() : Status::kOk; }
  [[nodiscard]] std::string text() const { return error ? error->what() : ""; }
};

struct Setup {
  FaultScript faults{};  // the first end is the sender's
  bool sealed = false;
  bool digest = true;
  RingShape sender_ring{16_KiB, 8};
  RingShape receiver_ring{16_KiB, 8};
  StreamOptions options{};
  Content content = Content::kStream;
  std::uint8_t known = kCompressionFlags;                 // that the receiver can undo
  std::array<std::unique_ptr<Ring>, 2>* rings = nullptr;  // sender's, receiver's: kept for who holds slots
};

inline Deadline in_good_time() { return Deadline::in(std::chrono::seconds(20)); }

inline Key test_key() {
  return Key(Secret(std::string_view("00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff")));
}

inline Outcome run_end(Loop& loop, const Setup& setup, Role role, RingShape shape,
                       const std::function<std::unique_ptr<Session>()>& open,
                       const std::function<StreamResult(Session&, Ring&)>& move) {
  Outcome outcome;
  auto own_ring = std::make_unique<Ring>(shape);
  Ring& ring = *own_ring;
  if (setup.rings != nullptr) (*setup.rings)[role == Role::kSends ? 0 : 1] = std::move(own_ring);
  std::unique_ptr<Session> session;
  try {
    session = open();
    session->link().attach(ring);
    Offer offer;
    offer.role = role;
    offer.slot_size = static_cast<std::uint32_t>(shape.slot_size);
    offer.seal = setup.sealed ? Choice::kYes : Choice::kNo;
    offer.digest = setup.digest ? Choice::kAuto : Choice::kNo;
    offer.content = setup.content;
    offer.compressions = role == Role::kReceives ? setup.known : methods_of(setup.options.compression.use);
    static_cast<void>(session->exchange(loop, offer, in_good_time()));
    outcome.result = move(*session, ring);
    static_cast<void>(session->finish(loop, std::chrono::seconds(2)));
  } catch (const Error& error) {
    if (session) session->fail(loop, error, std::chrono::seconds(2));
    outcome.error = error;
  }
  return outcome;
}

inline Outcome receive_end(Loop& loop, const Setup& setup, std::unique_ptr<Link> link, Sink& sink) {
  OneLink acceptor(std::move(link));
  const auto open = [&] {
    Lobby lobby(loop, acceptor, test_key(), [](const std::string&) {});
    for (;;) {
      if (auto session = lobby.poll()) return session;
      if (in_good_time().passed()) throw Error(Status::kConnectTimeout, "test", "nobody came");
      loop.wait(in_good_time());
    }
  };
  return run_end(loop, setup, Role::kReceives, setup.receiver_ring, open, [&](Session& session, Ring& ring) {
    return receive_stream(loop, session, ring, sink, setup.options);
  });
}

inline Outcome send_end(Loop& loop, const Setup& setup, std::unique_ptr<Link> link, Source& source) {
  const auto open = [&] { return authenticate(loop, std::move(link), test_key(), in_good_time()); };
  return run_end(loop, setup, Role::kSends, setup.sender_ring, open, [&](Session& session, Ring& ring) {
    return send_stream(loop, session, ring, source, setup.options);
  });
}

using SendingEnd = std::function<Outcome(Loop&, std::unique_ptr<Link>)>;

// The sender's outcome and the receiver's, each end on a thread and a loop of its own.
inline std::pair<Outcome, Outcome> transfer(const SendingEnd& send, Sink& sink, const Setup& setup) {
  Loop loop;
  Outcome received;
  std::promise<Loop*> other_loop;
  std::promise<std::unique_ptr<Link>> other_link;
  std::thread receiver([&] {
    Loop own;
    other_loop.set_value(&own);
    received = receive_end(own, setup, other_link.get_future().get(), sink);
  });
  auto [first, second] = make_loopback(loop, *other_loop.get_future().get(), setup.faults);
  other_link.set_value(std::move(second));
  Outcome sent = send(loop, std::move(first));
  receiver.join();
  return {std::move(sent), std::move(received)};
}

inline std::pair<Outcome, Outcome> transfer(Source& source, Sink& sink, const Setup& setup) {
  const auto send = [&](Loop& loop, std::unique_ptr<Link> link) {
    return send_end(loop, setup, std::move(link), source);
  };
  return transfer(send, sink, setup);
}

}  // namespace rdpipe
