#include "datagram/datagram.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <vector>

#include "datagram/announced.h"
#include "datagram/buffers.h"
#include "datagram/paths.h"
#include "ground/error.h"
#include "ground/secret.h"
#include "ground/units.h"

namespace rdpipe {
namespace {

constexpr std::size_t kInline = 128;  // bytes that may travel within a work request

// Random, so that what is meant for another process that had this queue pair's number before is not received.
// The highest bit is the kernel's.
std::uint32_t random_key() {
  std::uint32_t key = 0;
  while (key == 0) {
    fill_random(std::as_writable_bytes(std::span(&key, 1)));
    key &= 0x7FFFFFFF;
  }
  return key;
}

Device::Port usable(const Device& device, const DevicePort& port) {
  const Device::Port out = device.port(port.number);
  if (out.active) return out;
  throw Error(Status::kEndpoint, "send datagrams over " + printable(port.device), "its port is down");
}

BufferShape shape_of(const Device& device, const Device::Port& port, const DatagramOptions& options) {
  const QueueDepths depths =
      allowed_depths(device.get(), {.sends = options.sends, .receives = options.receives});
  const std::size_t payload = options.max_payload > 0 ? std::min(options.max_payload, port.mtu) : port.mtu;
  return {.receives = depths.receives, .sends = depths.sends, .payload = payload};
}

}  // namespace

struct Datagram::State {
  State(Loop& loop, const DatagramOptions& wanted)
      : options(wanted),
        busy_poll(wanted.busy_poll),
        device(wanted.port.device),
        port(usable(device, wanted.port)),
        identities(device.identities(wanted.port.number)),
        domain(device.get()),
        buffers(DatagramBuffers::make(domain, shape_of(device, port, wanted))),
        paths(
            [this](const DatagramPath& path) {
              return AddressHandle::make(domain, options.port.number, path);
            },
            std::max<std::size_t>(wanted.paths, 1)),
        queue(device, domain, wanted.port.number,
              {.sends = buffers.shape().sends, .receives = buffers.shape().receives, .inline_bytes = kInline},
              random_key()),
        sent(loop, queue.sent()),
        received(loop, queue.received()),
        idle(buffers.shape().receives) {
    for (std::size_t i = 0; i < idle.size(); ++i) idle[i] = i;
    post_receives();
  }

  // --- Sending
  [[nodiscard]] std::size_t room() const { return buffers.shape().sends - (posted - completed); }
  void post_chain(std::span<const OutgoingDatagram> datagrams);
  [[nodiscard]] DatagramSend fill(const OutgoingDatagram& datagram, ibv_ah* handle,
                                  std::uint64_t number) const;
  bool take_sent();
  [[nodiscard]] bool drain_sent();

  // --- Receiving
  void post_receives();
  void collect();
  [[nodiscard]] bool drain_received();
  void take_received(std::span<IncomingDatagram> into, std::size_t& count);
  [[nodiscard]] bool accept(const DatagramReceived& from, IncomingDatagram& into);
  [[nodiscard]] std::optional<DatagramPath> path_from(const DatagramReceived& from);
  [[nodiscard]] std::optional<std::uint8_t> index_of(const Gid& own);
  void spin(std::span<IncomingDatagram> into, std::size_t& count, Deadline deadline);

  void restart();

  DatagramOptions options;
  BusyPoll busy_poll;
  Device device;
  Device::Port port;
  std::vector<Device::Identity> identities;
  Deadline look_again = Deadline::now();  // at the identities
  ProtectionDomain domain;
  DatagramBuffers buffers;
  PathCache paths;
  DatagramQueuePair queue;  // goes first: until then the device may look at the handles of its sends
  Announced sent, received;
  // Sends have numbers, and end in their order.
  std::uint64_t posted = 0, completed = 0;
  // A receive buffer is posted, or has what came and was not looked at yet, or is idle: what the caller has,
  // and what was dropped.
  std::size_t posted_receives = 0;
  std::vector<DatagramReceived> backlog;
  std::vector<std::size_t> idle;
  DatagramCounts counts;

  // What one call works with; nothing of it is kept from call to call.
  std::array<DatagramSend, kLongestChain> chain{};
  std::array<Completion, kLongestChain> done{};
  std::array<DatagramReceived, kLongestChain> came{};
  std::array<Segment, kLongestChain> segments{};
  std::array<std::uint64_t, kLongestChain> ids{};
};

DatagramSend Datagram::State::fill(const OutgoingDatagram& datagram, ibv_ah* handle,
                                   std::uint64_t number) const {
  DatagramSend send;
  send.id = number;
  send.handle = handle;
  send.queue_pair = datagram.to->queue_pair;
  send.key = datagram.to->key;
  const std::span<const std::byte> payload = datagram.payload;
  send.is_inline = payload.size() <= queue.inline_bytes();
  if (send.is_inline) {
    // Copied when it is posted, and only read. NOLINTNEXTLINE(cppcoreguidelines-pro-type-const-cast)
    send.segment = {.address = const_cast<std::byte*>(payload.data()), .length = payload.size()};
    return send;
  }
  send.segment = buffers.send(number % buffers.shape().sends);
  send.segment.length = payload.size();
  std::memcpy(send.segment.address, payload.data(), payload.size());
  return send;
}

// Only the last of a chain reports that it was sent, for all before it.
void Datagram::State::post_chain(std::span<const OutgoingDatagram> datagrams) {
  std::size_t count = 0;
  for (const OutgoingDatagram& datagram : datagrams) {
    if (datagram.payload.size() > buffers.shape().payload) {
      throw Error(Status::kUsage, "send a datagram of " + format_size(datagram.payload.size()),
                  "more than " + format_size(buffers.shape().payload));
    }
    ibv_ah* handle = paths.find(datagram.to->path, posted + count);
    if (handle == nullptr) {
      ++counts.unreachable;
    } else {
      chain[count] = fill(datagram, handle, posted + count);
      ++count;
    }
  }
  if (count == 0) return;
  chain[count - 1].signalled = true;
  queue.post_sends(std::span(chain).first(count));
  posted += count;
  counts.sent += count;
}

// True where one failed.
bool Datagram::State::drain_sent() {
  bool failed = false;
  for (std::size_t count = 0; (count = queue.take_sent(done)) > 0;) {
    for (const Completion& one : std::span(done).first(count)) {
      completed = one.id + 1;
      if (one.status == CompletionStatus::kSuccess) continue;
      ++counts.send_errors;
      failed = true;
    }
  }
  return failed;
}

bool Datagram::State::take_sent() {
  const std::uint64_t before = completed;
  if (drain_sent()) restart();
  if (completed != before) paths.release(completed);
  return room() > 0;
}

void Datagram::State::post_receives() {
  if (idle.empty()) return;
  while (!idle.empty()) {
    const std::size_t count = std::min(idle.size(), kLongestChain);
    for (std::size_t i = 0; i < count; ++i) {
      ids[i] = idle[idle.size() - count + i];
      segments[i] = buffers.receive(ids[i]);
      buffers.clear_header(ids[i]);
    }
    queue.post_receives(std::span(segments).first(count), std::span(ids).first(count));
    idle.resize(idle.size() - count);
    posted_receives += count;
  }
}

// True where one failed. What was flushed has no datagram: restart() posts its buffer anew.
bool Datagram::State::drain_received() {
  bool failed = false;
  for (std::size_t count = came.size(); count == came.size();) {
    count = queue.take_received(came);
    posted_receives -= count;
    for (const DatagramReceived& one : std::span(came).first(count)) {
      failed = failed || one.status != CompletionStatus::kSuccess;
      if (one.status != CompletionStatus::kFlushed) backlog.push_back(one);
    }
  }
  return failed;
}

// All that has come, also what the caller has no room for: otherwise nobody sees that no receive is left.
void Datagram::State::collect() {
  const std::size_t before = posted_receives;
  const bool failed = drain_received();
  if (failed) return restart();
  if (posted_receives == 0 && before > 0) ++counts.ran_empty;
}

// One of this end's addresses may be new.
std::optional<std::uint8_t> Datagram::State::index_of(const Gid& own) {
  const auto find = [&] { return std::ranges::find(identities, own, &Device::Identity::gid); };
  auto found = find();
  if (found == identities.end() && look_again.passed()) {
    identities = device.identities(options.port.number);
    look_again = Deadline::in(std::chrono::seconds(1));
    found = find();
  }
  if (found == identities.end()) return {};
  return found->index;
}

// The way back.
std::optional<DatagramPath> Datagram::State::path_from(const DatagramReceived& from) {
  DatagramPath path{.lid = from.lid, .service_level = from.service_level, .global = from.has_header};
  if (port.ethernet) path.lid = path.service_level = 0;
  if (!from.has_header) return path;
  const auto header = read_global_header(buffers.header(from.id));
  if (!header) return {};
  const auto index = index_of(header->destination);
  if (!index) return {};
  path.gid = header->source;
  path.source_index = *index;
  return path;
}

bool Datagram::State::accept(const DatagramReceived& from, IncomingDatagram& into) {
  if (from.status != CompletionStatus::kSuccess) {
    ++counts.receive_errors;
    return false;
  }
  const auto path = path_from(from);
  const auto payload = buffers.received(from.id, from.length);
  if (from.key == 0 || !path || payload.empty()) {
    ++counts.foreign;
    return false;
  }
  into.from = {.path = *path, .queue_pair = from.queue_pair, .key = from.key};
  into.payload = payload;
  ++counts.received;
  return true;
}

void Datagram::State::take_received(std::span<IncomingDatagram> into, std::size_t& count) {
  collect();
  auto next = backlog.begin();
  for (; next != backlog.end() && count < into.size(); ++next) {
    idle.push_back(next->id);
    if (accept(*next, into[count])) ++count;
  }
  backlog.erase(backlog.begin(), next);
  if (count == 0) post_receives();  // the caller has none: what was dropped must not leave the device without
}

// Reading the clock may cost as much as a datagram: it is first looked at after many looks at the queue.
void Datagram::State::spin(std::span<IncomingDatagram> into, std::size_t& count, Deadline deadline) {
  constexpr int kLooks = 64;
  static_cast<void>(busy_poll.find(deadline, [&](Nanoseconds time) {
    Deadline until = Deadline::never();
    do {
      for (int i = 0; i < kLooks && count == 0; ++i) take_received(into, count);
      if (count == 0 && until.is_never()) until = Deadline::in(time).earlier(deadline);
    } while (count == 0 && !until.passed());
    return count > 0;
  }));
}

// After an error the device carries out nothing more: what it has not completed is lost, and the receives
// that hold nothing are posted anew.
void Datagram::State::restart() {
  queue.stop();  // the error may have been in one direction: nothing comes or goes after this look
  static_cast<void>(drain_sent());
  static_cast<void>(drain_received());
  queue.restart();
  counts.send_errors += posted - completed;
  completed = posted;
  paths.release(completed);
  ++counts.restarts;
  std::vector<bool> held(buffers.shape().receives);
  for (const std::size_t index : idle) held[index] = true;
  for (const DatagramReceived& one : backlog) held[one.id] = true;
  std::vector<std::size_t> free;
  for (std::size_t i = 0; i < held.size(); ++i) {
    if (!held[i]) free.push_back(i);
  }
  posted_receives = 0;
  std::swap(idle, free);
  post_receives();
  std::swap(idle, free);
}

Datagram::Datagram(Loop& loop, const DatagramOptions& options)
    : state_(std::make_unique<State>(loop, options)) {}

Datagram::~Datagram() = default;

std::size_t Datagram::send_burst(std::span<const OutgoingDatagram> datagrams) {
  State& state = *state_;
  // One look at the completions of many sends.
  if (state.room() < datagrams.size() + state.buffers.shape().sends / 2) state.take_sent();
  std::size_t taken = 0;
  while (taken < datagrams.size() && state.room() > 0) {
    const std::size_t count = std::min({datagrams.size() - taken, state.room(), kLongestChain});
    state.post_chain(datagrams.subspan(taken, count));
    taken += count;
  }
  return taken;
}

bool Datagram::await_room(Deadline deadline) {
  const auto look = [this] { return state_->take_sent(); };
  if (look() || deadline.passed()) return state_->room() > 0;
  state_->sent.sleep(look, deadline);
  return state_->room() > 0;
}

bool Datagram::flush(Deadline deadline) {
  State& state = *state_;
  const auto look = [&state] {
    state.take_sent();
    return state.completed == state.posted;
  };
  while (!look() && !deadline.passed()) state.sent.sleep(look, deadline);
  return state.completed == state.posted;
}

std::size_t Datagram::receive_burst(std::span<IncomingDatagram> into, Deadline deadline) {
  State& state = *state_;
  state.post_receives();
  std::size_t count = 0;
  state.take_received(into, count);
  if (count > 0 || deadline == Deadline::now()) return count;
  state.spin(into, count, deadline);
  if (count > 0) return count;
  const auto look = [&] {
    state.take_received(into, count);
    return count > 0;
  };
  state.received.sleep(look, deadline);
  return count;
}

std::size_t Datagram::max_payload() const noexcept { return state_->buffers.shape().payload; }

DatagramIdentity Datagram::identity() const {
  return {.queue_pair = state_->queue.number(), .key = state_->queue.key(), .max_payload = max_payload()};
}

const DatagramCounts& Datagram::counts() const noexcept { return state_->counts; }

std::size_t Datagram::known_paths() const noexcept { return state_->paths.size(); }

void Datagram::fail() { state_->queue.stop(); }

}  // namespace rdpipe
