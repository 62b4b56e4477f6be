#include "check/ask.h"

#include <cerrno>
#include <memory>

#include "ground/error.h"
#include "session/control_stream.h"
#include "session/handshake.h"
#include "transport/dial.h"
#include "transport/rdma_probe.h"

namespace rdpipe {
namespace {

constexpr Nanoseconds kGreeting = std::chrono::seconds(2);  // for what has connected to say what it is

// HELLO is answered before any key is shown.
Verdict greet(Loop& loop, Link& link, Deadline deadline) {
  Handshake handshake = Handshake::connector();
  post_stream(link, handshake.take_output());
  while (!deadline.passed()) {
    while (const auto event = link.poll()) {
      if (const auto* control = std::get_if<Control>(&*event)) handshake.receive(control->bytes);
      if (handshake.verdict() != Verdict::kInProgress) return handshake.verdict();
      if (std::holds_alternative<PeerClosed>(*event)) return Verdict::kNotRdpipe;
    }
    loop.wait(deadline);
  }
  return Verdict::kNotRdpipe;
}

void ask_what_it_is(Loop& loop, Link& link, Deadline deadline, Reply& reply) {
  Verdict verdict = Verdict::kNotRdpipe;
  try {
    verdict = greet(loop, link, deadline.earlier(Deadline::in(kGreeting)));
  } catch (const Error& error) {
    if (error.status() != Status::kNetwork && error.status() != Status::kDamaged) throw;
    reply.cause = error.cause();
  }
  if (verdict == Verdict::kNeedsPsk) {
    reply.answer = Answer::kRdpipe;
    reply.status = Status::kOk;
  } else {
    reply.answer = verdict == Verdict::kOtherVersion ? Answer::kOtherVersion : Answer::kStranger;
    reply.status = Status::kProtocol;
  }
}

Reply reply_of(const RdmaProbe& probe) {
  Reply reply;
  reply.cause = probe.cause;
  reply.device = probe.device;
  reply.local = probe.local;
  if (probe.refused) {
    reply.answer = Answer::kRefused;
  } else if (probe.error == 0) {
    reply.answer = Answer::kStranger;
    reply.status = Status::kProtocol;
  } else if (probe.step == RdmaStep::kConnection) {
    reply.answer = Answer::kSilent;
  } else {
    reply.answer = Answer::kNoWay;
    const bool final = probe.error != ETIMEDOUT && probe.error != EHOSTUNREACH;
    if (final) reply.status = Status::kEndpoint;
  }
  return reply;
}

Reply ask_route(Loop& loop, const RdmaRoute& route, const FabricOptions& options, Deadline deadline) {
  const RdmaProbe probe = probe_rdma(loop, route, options, deadline);
  Reply reply = reply_of(probe);
  if (probe.link) ask_what_it_is(loop, *probe.link, deadline, reply);
  return reply;
}

// The link, or nothing and why.
std::unique_ptr<Link> connect_tcp(Loop& loop, const PeerAddress& peer, const FabricOptions& options,
                                  Deadline deadline, Reply& reply) {
  reply.answer = Answer::kSilent;
  reply.cause = "no answer";
  try {
    const auto dial = dial_tcp(loop, peer, options);
    while (!deadline.passed()) {
      if (auto link = dial->poll()) return link;
      loop.wait(deadline);
    }
  } catch (const Error& error) {
    if (error.status() != Status::kNetwork) throw;
    reply.cause = error.cause();
    if (error.cause() == errno_text(ECONNREFUSED)) reply.answer = Answer::kRefused;
    const bool no_way = error.cause() == errno_text(ENETUNREACH) || error.cause() == errno_text(EHOSTUNREACH);
    if (no_way) reply.answer = Answer::kNoWay;
  }
  return nullptr;
}

}  // namespace

Reply ask_over_rdma(Loop& loop, const std::vector<RdmaRoute>& routes, const FabricOptions& options,
                    Deadline deadline) {
  Reply best;
  for (std::size_t i = 0; i < routes.size() && !best.is_from_host(); ++i) {
    const auto share = deadline.remaining() / (routes.size() - i);
    Reply reply = ask_route(loop, routes[i], options, Deadline::in(share));
    if (i == 0 || reply.answer > best.answer) best = std::move(reply);
  }
  return best;
}

Reply ask_over_tcp(Loop& loop, const PeerAddress& peer, const FabricOptions& options, Deadline deadline) {
  Reply reply;
  const auto link = connect_tcp(loop, peer, options, deadline, reply);
  if (!link) return reply;
  reply.cause.clear();
  ask_what_it_is(loop, *link, deadline, reply);
  return reply;
}

}  // namespace rdpipe
