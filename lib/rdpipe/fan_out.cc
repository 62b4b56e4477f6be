#include "rdpipe/fan_out.h"

#include <fmt/format.h>

#include <algorithm>
#include <new>
#include <set>
#include <utility>

#include "ground/units.h"
#include "io/loop.h"
#include "rdpipe/attach_ring.h"
#include "rdpipe/caller.h"
#include "rdpipe/fabric_options.h"
#include "rdpipe/fan_rings.h"
#include "rdpipe/flow.h"
#include "rdpipe/stream_result.h"
#include "stream/fan.h"
#include "stream/trunk.h"
#include "transport/address.h"

namespace rdpipe {
namespace {

Offer offer_of(const Options& options, std::optional<std::uint64_t> size, Fabric fabric) {
  Offer offer;
  offer.role = Role::kSends;
  offer.slot_size = static_cast<std::uint32_t>(ring_of_one(options, fabric).slot_size);
  offer.digest = options.checksum ? Choice::kAuto : Choice::kNo;
  offer.seal = seal_choice(options);
  offer.size = size;
  offer.compressions = methods_of(options.compression.use);
  return offer;
}

// The trunk has the buffer.
Options without_buffer(Options options) {
  options.buffer_size = 0;
  return options;
}

void require_valid(const Options& options, const FanOutOptions& fan_out,
                   const std::vector<Receiver>& receivers) {
  require_valid(options);
  const auto reject = [](const std::string& cause, const std::string& hint = {}) {
    throw Error(Status::kUsage, "send to several receivers", cause, hint);
  };
  if (receivers.empty()) reject("there are none");
  if (fan_out.min_receivers > receivers.size()) {
    reject(fmt::format("{} of {} must commit", fan_out.min_receivers, receivers.size()));
  }
  if (options.start_write != 0 || options.start_read != 100) reject("a buffer for them has no watermarks");
  std::set<std::string> names;
  for (const Receiver& receiver : receivers) {
    if (names.insert(name_of(receiver)).second) continue;
    reject(fmt::format("{} is given twice", name_of(receiver)), "each rdrecv takes one stream at a time");
  }
}

std::vector<std::string> names_of(const std::vector<Receiver>& receivers) {
  std::vector<std::string> names;
  names.reserve(receivers.size());
  for (const Receiver& receiver : receivers) names.push_back(name_of(receiver));
  return names;
}

}  // namespace

std::string name_of(const Receiver& receiver) {
  return endpoint_text(peer_address(receiver.host, receiver.port));
}

// Members in the order of their lives: the ring outlives whatever holds slots of it.
struct FanOut::State {
  State(std::shared_ptr<Source> source, const std::vector<Receiver>& its_receivers,
        const FanOutOptions& fan_out, const Options& its_options)
      : options(its_options),
        heard_failure(fan_out.failed),
        loop(loop_options(options)),
        trunk(with_flow(std::move(source), without_buffer(options)), options.checksum, options.hash),
        fan(loop, trunk, names_of(its_receivers), rules(fan_out, its_receivers.size())) {
    hear_interrupts(loop, options);
  }

  [[nodiscard]] Fan::Rules rules(const FanOutOptions& fan_out, std::size_t count);
  void connect(const std::vector<Receiver>& receivers, std::string_view key);
  void take_news();
  void tell_notices(const Caller& caller);
  void admit(std::size_t index, std::unique_ptr<Session> session);
  void start(std::size_t index, Session& session);
  void begin();
  [[nodiscard]] ReceiverResult result_of(std::size_t index) const;
  [[nodiscard]] FanOutReport report();
  // Runs `work`; when it fails, all receivers are told.
  template <typename Work>
  void guarded(Work work);

  Options options;
  std::function<void(const ReceiverResult&)> heard_failure;
  Loop loop;
  std::optional<AttachedRing> ring;
  Trunk trunk;
  Fan fan;
  std::optional<Key> key;
  std::vector<std::unique_ptr<Caller>> callers;  // null: it has ended
  std::set<std::string> told;                    // of the notices: each once
  std::optional<Error> failure;
};

Fan::Rules FanOut::State::rules(const FanOutOptions& fan_out, std::size_t count) {
  Fan::Rules rules;
  rules.least = fan_out.min_receivers == 0 ? count : fan_out.min_receivers;
  rules.drop_slow = fan_out.drop_slow;
  rules.stream = stream_options(options);
  rules.failed = [this](std::size_t index) {
    if (heard_failure) heard_failure(result_of(index));
  };
  return rules;
}

template <typename Work>
void FanOut::State::guarded(Work work) {
  if (failure) return;
  try {
    work();
  } catch (const Error& error) {
    failure = error;
  } catch (const std::bad_alloc&) {
    failure = Error(Status::kMemory, "transfer", "out of memory");
  }
  if (!failure) return;
  for (const auto& caller : callers) {
    if (caller) caller->cut(*failure);
  }
  fan.give_up(*failure);
  callers.clear();
}

void FanOut::State::connect(const std::vector<Receiver>& receivers, std::string_view its_key) {
  key.emplace(Secret(its_key));
  const auto size = trunk.source().size_hint();
  const auto offer = [this, size = size ? size : options.expected_size](Fabric fabric) {
    return offer_of(options, size, fabric);
  };
  for (const Receiver& receiver : receivers) {
    callers.push_back(
        std::make_unique<Caller>(loop, peer_address(receiver.host, receiver.port), *key, options, offer));
  }
  for (;;) {
    take_news();
    fan.require_enough();
    if (std::ranges::all_of(callers, [](const auto& caller) { return caller == nullptr; })) break;
    fan.turn();
  }
  key.reset();
}

void FanOut::State::take_news() {
  for (std::size_t i = 0; i < callers.size(); ++i) {
    if (!callers[i] || !callers[i]->poll()) continue;
    const auto caller = std::move(callers[i]);
    tell_notices(*caller);
    if (auto session = caller->take()) {
      admit(i, std::move(session));
    } else {
      fan.fail(i, caller->failure().value());
    }
  }
}

void FanOut::State::tell_notices(const Caller& caller) {
  for (const std::string& notice : caller.notices()) {
    if (told.insert(notice).second) notice_of(options)(notice);
  }
}

void FanOut::State::admit(std::size_t index, std::unique_ptr<Session> session) {
  Session& its_session = *session;
  fan.join(index, std::move(session));
  try {
    start(index, its_session);
  } catch (const Error& error) {
    fan.fail(index, error);
  }
}

// Slots of its own hold headers, and payloads where these must be copied.
void FanOut::State::start(std::size_t index, Session& session) {
  const Terms& terms = session.terms();
  const Fabric fabric = session.link().info().fabric;
  if (options.compression.use != CompressionUse::kOff && terms.compressions == 0) {
    notice_of(options)(fmt::format("not compressed: {} cannot undo it", terms.peer_host));
  }
  const bool alters = terms.sealed || terms.compressions != 0;
  const bool copies = !alters && fabric == Fabric::kRdma && options.buffer_size > 0;
  RingShape shape = ring_of_headers(terms.slot_size, copies);
  if (alters) shape = ring_of_one(options, fabric, terms.slot_size);
  fan.start(index, attach_shared_ring({&session.link()}, shape, notice_of(options)), copies);
}

void FanOut::State::begin() {
  const std::vector<Session*> sessions = fan.sessions();
  const bool rdma = std::ranges::any_of(
      sessions, [](Session* session) { return session->link().info().fabric == Fabric::kRdma; });
  const Fabric fabric = rdma ? Fabric::kRdma : Fabric::kTcp;
  ring.emplace(loop, fan.reaching_links(), ring_of_all(options, fabric, fan.max_payload(), sessions.size()),
               notice_of(options));
  const RingShape shape = (**ring).shape();
  if (options.buffer_size > 0 && shape.slots < sessions.size() + 2) {
    notice_of(options)("the ring is so small that receivers that stop hold up the others, in spite of -m");
  }
  trunk.start(loop, **ring, shape.slot_size, options.buffer_size);
  fan.begin(share_of_each(shape, sessions.size()));
}

ReceiverResult FanOut::State::result_of(std::size_t index) const {
  const Fan::Outcome& outcome = fan.outcome(index);
  ReceiverResult one;
  one.name = outcome.name;
  one.error = outcome.error;
  one.given_up = outcome.given_up;
  one.unknown = outcome.unknown;
  Result& result = one.result;
  if (outcome.result) {
    result = rdpipe::result_of(*outcome.result);
    result.compressed = outcome.compressed;
  } else {
    result.bytes = outcome.progress.bytes;
    result.elapsed = outcome.progress.elapsed;
  }
  result.fabric = outcome.progress.fabric;
  result.device = outcome.progress.device;
  result.peer = outcome.progress.peer;
  result.sealed = outcome.progress.sealed;
  result.retries = outcome.progress.retries;
  return one;
}

FanOutReport FanOut::State::report() {
  FanOutReport report;
  report.error = failure;
  Result& stream = report.stream;
  for (std::size_t i = 0; i < fan.size(); ++i) {
    report.receivers.push_back(result_of(i));
    const ReceiverResult& one = report.receivers.back();
    if (!one.error && one.result.elapsed >= stream.elapsed) stream = one.result;
  }
  stream.bytes = trunk.bytes();
  stream.warning.clear();  // is that one's
  if (failure) return report;
  StreamResult digests;
  trunk.finish(digests);
  Result of_all = rdpipe::result_of(digests);
  stream.digest = std::move(of_all.digest);
  stream.hash = std::move(of_all.hash);
  return report;
}

FanOut::FanOut(Input input, const std::vector<Receiver>& receivers, std::string_view key,
               const FanOutOptions& fan_out, const Options& options) {
  require_valid(options, fan_out, receivers);
  state_ = std::make_unique<State>(std::move(input.source_), receivers, fan_out, options);
  state_->guarded([&] { state_->connect(receivers, key); });
}

FanOut::FanOut(FanOut&&) noexcept = default;
FanOut& FanOut::operator=(FanOut&&) noexcept = default;
FanOut::~FanOut() = default;

FanOutReport FanOut::send() {
  State& state = *state_;
  state.guarded([&] {
    state.begin();
    try {
      while (!state.fan.over()) state.fan.turn();
    } catch (const Error&) {
      if (!state.fan.decided()) throw;  // otherwise nothing that happens now can change it
      state.fan.require_enough();
    }
  });
  return state.report();
}

}  // namespace rdpipe
