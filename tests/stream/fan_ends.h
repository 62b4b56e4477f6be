// One sender and several receivers, each on a thread and a loop of its own, over the loopback link.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "io/loop.h"
#include "stream/fan.h"
#include "stream/memory_ends.h"
#include "stream/transfer.h"
#include "stream/trunk.h"
#include "stream/wrapped_link.h"
#include "transport/loopback.h"

namespace rdpipe {

struct FanSetup {
  std::vector<Setup> receivers{};
  Fan::Rules rules{};
  RingShape ring{16_KiB, 16};
  std::size_t buffer = 0;
  std::size_t share = 2;
  std::size_t altered_slot = 16_KiB;  // of a ring of what is altered on the way
  // By receiver: data frames that may go to it, of those that it grants.
  std::map<std::size_t, std::atomic<std::size_t>*> allowances{};
  // Hears of the sender's end of each, which lives as long as the session; on the sender's thread. May be
  // empty.
  std::function<void(std::size_t index, LoopbackLink& link)> linked{};
};

struct FanResult {
  std::vector<Fan::Outcome> sent{};
  std::vector<Outcome> received{};
  std::optional<Error> error{};  // what ended it for all
  std::size_t max_payload = 0, reaching_links = 0;
  std::size_t slots_left_out = 0;
  [[nodiscard]] std::string text(std::size_t index) const {
    return sent[index].error ? sent[index].error->what() : "";
  }
};

// A link over which no more data frames go than are allowed.
class AllowedLink final : public WrappedLink {
 public:
  AllowedLink(std::unique_ptr<Link> inner, const std::atomic<std::size_t>& allowance)
      : WrappedLink(std::move(inner)), allowance_(allowance) {}

  void post_send(Slot slot) override {
    ++posted_;
    WrappedLink::post_send(std::move(slot));
  }
  [[nodiscard]] std::size_t send_credits() const override {
    const std::size_t allowed = allowance_;
    return std::min(WrappedLink::send_credits(), allowed - std::min(allowed, posted_));
  }

 private:
  const std::atomic<std::size_t>& allowance_;
  std::size_t posted_ = 0;
};

// A receiver, which waits for its link on a thread of its own.
class FanReceiver {
 public:
  FanReceiver(const Setup& setup, Sink& sink)
      : thread_([this, &setup, &sink] {
          Loop own;
          loop_.set_value(&own);
          outcome_ = receive_end(own, setup, link_.get_future().get(), sink);
        }) {}
  FanReceiver(const FanReceiver&) = delete;
  FanReceiver& operator=(const FanReceiver&) = delete;
  ~FanReceiver() { static_cast<void>(outcome()); }

  // A session with agreed terms.
  std::unique_ptr<Session> connect(Loop& loop, const FanSetup& fan, std::size_t index) {
    const Setup& setup = fan.receivers[index];
    auto [first, second] = make_loopback(loop, *loop_.get_future().get(), setup.faults);
    if (fan.linked) fan.linked(index, *first);
    link_.set_value(std::move(second));
    std::unique_ptr<Link> link = std::move(first);
    const auto allowance = fan.allowances.find(index);
    if (allowance != fan.allowances.end()) {
      link = std::make_unique<AllowedLink>(std::move(link), *allowance->second);
    }
    auto session = authenticate(loop, std::move(link), test_key(), in_good_time());
    Offer offer;
    offer.role = Role::kSends;
    offer.slot_size = static_cast<std::uint32_t>(setup.sender_ring.slot_size);
    offer.seal = setup.sealed ? Choice::kYes : Choice::kNo;
    offer.digest = setup.digest ? Choice::kAuto : Choice::kNo;
    offer.compressions = methods_of(setup.options.compression.use);
    static_cast<void>(session->exchange(loop, offer, in_good_time()));
    return session;
  }
  Outcome outcome() {
    if (thread_.joinable()) thread_.join();
    return outcome_;
  }

 private:
  std::promise<Loop*> loop_;
  std::promise<std::unique_ptr<Link>> link_;
  Outcome outcome_;
  std::thread thread_;
};

inline void move_all(Loop& loop, Ring& ring, Trunk& trunk, Fan& fan, const FanSetup& setup) {
  trunk.start(loop, ring, std::min(setup.ring.slot_size, fan.max_payload()), setup.buffer);
  fan.begin(setup.share);
  const Deadline limit = in_good_time();
  while (!fan.over()) {
    if (limit.passed()) throw Error(Status::kTimeout, "test", "it does not get on");
    loop.wake_at(limit);
    fan.turn();
  }
}

// `setup.receivers` are as many as `sinks`.
inline FanResult fan_out(const std::shared_ptr<Source>& source, const std::vector<Sink*>& sinks,
                         const FanSetup& setup) {
  FanResult result;
  Loop loop;
  Ring ring(setup.ring);
  {
    std::deque<FanReceiver> receivers;  // before the fan: it is gone when they are waited for
    std::vector<std::string> names;
    for (std::size_t i = 0; i < sinks.size(); ++i) {
      receivers.emplace_back(setup.receivers[i], *sinks[i]);
      names.push_back("receiver " + std::to_string(i));
    }
    Trunk trunk(source, true, "");
    Fan fan(loop, trunk, names, setup.rules);
    for (std::size_t i = 0; i < sinks.size(); ++i) {
      auto session = receivers[i].connect(loop, setup, i);
      const bool alters = session->terms().sealed || session->terms().compressions != 0;
      fan.join(i, std::move(session));
      const RingShape shape{alters ? setup.altered_slot : 4_KiB, setup.share + 1};
      fan.start(i, std::make_unique<Ring>(shape), false);
    }
    result.max_payload = fan.max_payload();
    result.reaching_links = fan.reaching_links().size();
    try {
      move_all(loop, ring, trunk, fan, setup);
    } catch (const Error& error) {
      result.error = error;
      fan.give_up(error);
    }
    for (std::size_t i = 0; i < sinks.size(); ++i) result.sent.push_back(fan.outcome(i));
    for (FanReceiver& receiver : receivers) result.received.push_back(receiver.outcome());
  }
  result.slots_left_out = ring.shape().slots - ring.free_slots();
  return result;
}

// Keeps what it gets until it is opened, or for ever.
class HeldSink : public MemorySink {
 public:
  void start(Loop& loop, Ring&, std::optional<std::uint64_t>) override { loop_ = &loop; }
  void write(Slot slot) override { waiting_.push_back(std::move(slot)); }
  void poll() override {
    if (open) {
      for (; !waiting_.empty(); waiting_.pop_front()) MemorySink::write(std::move(waiting_.front()));
    } else {
      loop_->wake_at(Deadline::in(std::chrono::milliseconds(10)));
    }
  }
  bool committed() const override { return finished && waiting_.empty(); }

  std::atomic<bool> open = false;

 private:
  Loop* loop_ = nullptr;
  std::deque<Slot> waiting_;
};

// Tells how many bytes it has given.
class CountingSource : public MemorySource {
 public:
  using MemorySource::MemorySource;
  std::optional<SourceEvent> poll(bool urgent) override {
    auto event = MemorySource::poll(urgent);
    if (event && std::holds_alternative<Filled>(*event)) count += std::get<Filled>(*event).slot.size();
    return event;
  }
  std::atomic<std::size_t> count = 0;
};

// Gives a slot each 10 ms.
class TricklingSource : public MemorySource {
 public:
  using MemorySource::MemorySource;
  void start(Loop& loop, Ring& ring, std::size_t max_payload) override {
    MemorySource::start(loop, ring, max_payload);
    loop_ = &loop;
  }
  std::optional<SourceEvent> poll(bool urgent) override {
    ++taken_;
    if (!next_.passed()) return loop_->wake_at(next_), std::nullopt;
    auto event = MemorySource::poll(urgent);
    if (event) next_ = Deadline::in(std::chrono::milliseconds(10));
    return event;
  }
  std::uint64_t taken() const override { return taken_; }

 private:
  Loop* loop_ = nullptr;
  Deadline next_ = Deadline::now();
  std::uint64_t taken_ = 0;
};

// Gives nothing but holes, each as long as a frame may tell of.
class HoleSource : public MemorySource {
 public:
  explicit HoleSource(int count) : MemorySource({}), left_(count) {}
  std::optional<SourceEvent> poll(bool) override {
    if (left_ == 0) return SourceEnd{};
    --left_;
    return Hole{kMaxHoleLength};
  }

 private:
  int left_;
};

// Tells how many bytes it has.
class CountingSink : public MemorySink {
 public:
  void write(Slot slot) override {
    count += slot.size();
    MemorySink::write(std::move(slot));
  }
  std::atomic<std::size_t> count = 0;
};

// Gives its bytes in pieces of `size`, far smaller than a slot.
class PieceSource : public MemorySource {
 public:
  PieceSource(std::vector<std::byte> bytes, std::size_t size) : MemorySource(std::move(bytes)), size_(size) {}
  void start(Loop& loop, Ring& ring, std::size_t) override { MemorySource::start(loop, ring, size_); }

 private:
  std::size_t size_;
};

// All of them must commit.
inline FanSetup setup_for(std::size_t receivers) {
  FanSetup setup;
  setup.receivers.resize(receivers);
  setup.rules.least = receivers;
  return setup;
}

inline std::shared_ptr<Source> memory_source(std::size_t size) {
  return std::make_shared<MemorySource>(pattern(size));
}

// False: not in good time.
inline bool comes_to(const std::atomic<std::size_t>& count, std::size_t value) {
  const Deadline limit = in_good_time();
  while (count < value && !limit.passed()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  return count >= value;
}

}  // namespace rdpipe
