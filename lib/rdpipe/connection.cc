#include "rdpipe/connection.h"

#include <fmt/format.h>

#include <algorithm>
#include <new>
#include <optional>
#include <utility>

#include "files/files.h"
#include "ground/error.h"
#include "ground/units.h"
#include "io/loop.h"
#include "rdpipe/attach_ring.h"
#include "rdpipe/fabric_options.h"
#include "rdpipe/flow.h"
#include "rdpipe/next_link.h"
#include "rdpipe/stream_result.h"
#include "ring/ring.h"
#include "serve/request.h"
#include "session/session.h"
#include "stream/bytes.h"
#include "stream/receive.h"
#include "stream/send.h"
#include "transport/fabric.h"
#include "tree/tree_sink.h"
#include "tree/tree_source.h"

namespace rdpipe {
namespace {

// How long the last words may take: FAILED after an error, and the closing of a connection that did its work.
constexpr Nanoseconds kLastWords = std::chrono::seconds(2);

// Whoever moves a tree knows more of it.
template <typename Tree>
StreamOptions tree_options(const Options& options, const CopyOptions& copy,
                           const std::shared_ptr<Tree>& tree) {
  StreamOptions stream{options.timeout, options.hash, options.compression};
  if (copy.progress)
    stream.progress = [tree](const StreamProgress& progress) { tree->tell_progress(progress); };
  return stream;
}

// A receiver undoes whatever it knows of.
std::uint8_t compressions(Role role, const Options& options) {
  return role == Role::kSends ? methods_of(options.compression.use) : kCompressionFlags;
}

}  // namespace

std::string generate_key() { return Key::generate(); }
bool is_short_key(std::string_view key) { return Key(Secret(key)).is_short(); }

// Members in the order of their lives: the ring outlives whatever holds slots of it, the link too.
struct Connection::State {
  State(std::shared_ptr<Loop> its_loop, std::unique_ptr<Session> its_session, Options its_options)
      : options(std::move(its_options)), loop(std::move(its_loop)), session(std::move(its_session)) {}

  void agree_on(Role role, std::optional<std::uint64_t> size, Content content = Content::kStream);
  // What sends on what will be received, and also gives it to what `open` gives.
  [[nodiscard]] std::shared_ptr<Sink> forward(NextReceiver receiver,
                                              const std::function<std::optional<Output>()>& open);
  // Waits for the other end to close as well, at most `limit`. What comes meanwhile, signals too, comes too
  // late.
  Result close(const StreamResult& stream, Nanoseconds limit = kLastWords);
  CopyReport close(const StreamResult& stream, CopyReport report, Nanoseconds limit = kLastWords);
  // Runs `work`; when it fails, the other end is told.
  template <typename Work>
  auto guarded(Work work);
  void fail(const Error& error);

  Options options;
  std::shared_ptr<Loop> loop;
  std::optional<AttachedRing> ring;
  std::optional<NextLink> next;  // of what is forwarded
  std::unique_ptr<Session> session;
  std::shared_ptr<Source> source;
  std::shared_ptr<Sink> sink;
  BytesSource bytes_in;
  BytesSink bytes_out;
  bool over = false;                   // the stream has ended, well or not
  bool read_all = false;               // read() has said so
  std::optional<Sending> sending;      // of write()
  std::optional<Receiving> receiving;  // of read()
};

void Connection::State::agree_on(Role role, std::optional<std::uint64_t> size, Content content) {
  if (ring) throw Error(Status::kUsage, "use a connection", "it carries a stream already");
  const Fabric fabric = session->link().info().fabric;
  std::vector<Link*> links = {&session->link()};
  if (next) next->add_to(links);
  const bool receives = role == Role::kReceives;
  ring.emplace(*loop, links, next ? next->ring_shape(fabric) : stream_ring_shape(options, fabric, receives),
               notice_of(options));
  Offer offer;
  offer.role = role;
  offer.slot_size = static_cast<std::uint32_t>((**ring).shape().slot_size);
  offer.digest = options.checksum ? Choice::kAuto : Choice::kNo;
  offer.seal = seal_choice(options);
  offer.size = size;
  offer.content = content;
  offer.compressions = compressions(role, options);
  const Terms& terms = session->exchange(*loop, offer, Deadline::in(options.connect_timeout),
                                         {.limit = preparing_limit(options)});
  if (role == Role::kSends && offer.compressions != 0 && terms.compressions == 0) {
    notice_of(options)(fmt::format("not compressed: {} cannot undo it", terms.peer_host));
  }
}

template <typename Work>
auto Connection::State::guarded(Work work) {
  if (over) throw Error(Status::kUsage, "use a connection", "its stream has ended");
  try {
    return work();
  } catch (const Error& error) {
    fail(error);
    throw;
  } catch (const std::bad_alloc&) {
    const Error error(Status::kMemory, "transfer", "out of memory");
    fail(error);
    throw error;
  }
}

void Connection::State::fail(const Error& error) {
  over = true;
  if (next) next->dismiss(error, *session);  // both hear it before either is waited for
  session->fail(*loop, error, kLastWords, next ? &next->session() : nullptr);
  if (next) next->finish(kLastWords);
}

Result Connection::State::close(const StreamResult& stream, Nanoseconds limit) {
  over = true;
  const LinkInfo& info = session->link().info();
  Result result = result_of(stream);
  result.compressed = session->terms().compressions != 0;
  result.fabric = fabric_name(info.fabric);
  result.device = info.device;
  result.peer = session->terms().peer_host;
  result.sealed = session->terms().sealed;
  result.retries = session->link().retries();
  try {
    static_cast<void>(session->finish(*loop, limit));
  } catch (const Error&) {
    // The stream is in place and both ends know it: nothing that happens now can change that.
  }
  if (next) {
    result.forwarded_to = next->session().terms().peer_host;
    result.forwarded_by = fabric_name(next->session().link().info().fabric);
    next->finish(limit);
  }
  return result;
}

CopyReport Connection::State::close(const StreamResult& stream, CopyReport report, Nanoseconds limit) {
  const Result result = close(stream, limit);
  report.elapsed = result.elapsed;
  report.fabric = result.fabric;
  report.device = result.device;
  report.peer = result.peer;
  report.sealed = result.sealed;
  report.wire_bytes = result.wire_bytes;
  report.compressed = result.compressed;
  report.retries = result.retries;
  report.warning = result.warning;
  return report;
}

Connection::Connection(std::unique_ptr<State> state) : state_(std::move(state)) {}

Connection Connection::over(std::shared_ptr<Loop> loop, std::unique_ptr<Session> session,
                            const Options& options) {
  require_valid(options);
  return Connection(std::make_unique<State>(std::move(loop), std::move(session), options));
}

Connection::Connection(Connection&&) noexcept = default;
Connection& Connection::operator=(Connection&&) noexcept = default;
Connection::~Connection() = default;

Connection Connection::connect(const std::string& host, const std::string& port, std::string_view key,
                               const Options& options) {
  require_valid(options);
  const Key shared_key{Secret(key)};
  const Deadline deadline = Deadline::in(options.connect_timeout);
  const PeerAddress peer = peer_address(host, port);
  std::shared_ptr<Loop> loop = make_loop(options);
  auto link = rdpipe::connect(*loop, peer, fabric_options(options), deadline, notice_of(options));
  auto session = authenticate(*loop, std::move(link), shared_key, deadline);
  return Connection(std::make_unique<State>(std::move(loop), std::move(session), options));
}

// What connect() hints at is true of an rdrecv, which takes one sender.
Connection Connection::connect_to_server(const std::string& host, const std::string& port,
                                         std::string_view key, const Options& options) {
  try {
    return connect(host, port, key, options);
  } catch (const Error& error) {
    const bool has_hint = error.status() == Status::kNetwork || error.status() == Status::kConnectTimeout;
    if (!has_hint) throw;
    throw Error(error.status(), error.attempt(), error.cause(),
                "is rdcp --serve running there, and on this port? Another program may listen there, or a "
                "firewall be in the way");
  }
}

Connection Connection::to_server(const std::string& host, const std::string& port, std::string_view key,
                                 const ServerRequest& request, const Options& options) {
  Connection connection = connect_to_server(host, port, key, options);
  State& state = *connection.state_;
  state.session->call_peer(host);
  try {
    state.guarded([&] {
      ask_server(*state.loop, *state.session, request.words, request.waits, request.waiting,
                 Deadline::in(options.connect_timeout));
    });
  } catch (const Error& error) {
    const bool is_busy = error.from_peer() && error.status() == Status::kConnectTimeout && !request.waits;
    if (!is_busy) throw;
    Error with_hint(error.status(), error.attempt(), error.cause(), "--wait waits for a turn");
    with_hint.set_from_peer();
    throw with_hint;
  }
  return connection;
}

Result Connection::send(Input input) {
  State& state = *state_;
  return state.guarded([&] {
    state.source = with_flow(std::move(input.source_), state.options);
    const auto size = state.source->size_hint();
    state.agree_on(Role::kSends, size ? size : state.options.expected_size);
    return state.close(
        send_stream(*state.loop, *state.session, **state.ring, *state.source, stream_options(state.options)));
  });
}

std::shared_ptr<Sink> Connection::State::forward(NextReceiver receiver,
                                                 const std::function<std::optional<Output>()>& open) {
  const Deadline deadline = Deadline::in(options.connect_timeout);
  session->prepare();
  const Offer& offer = session->await_offer(*loop, deadline);
  auto output = open();
  next.emplace(*loop, std::move(receiver), options);
  next->agree(offer, *session);
  agree_on(Role::kReceives, {});
  return next->sink(output ? std::move(output->sink_) : nullptr, session->terms());
}

Result Connection::receive(Output output) {
  return receive([&output] { return std::move(output); }, {});
}

Result Connection::receive(const std::function<std::optional<Output>()>& open,
                           std::optional<NextReceiver> next) {
  State& state = *state_;
  return state.guarded([&] {
    if (next) {
      state.sink = with_flow(state.forward(std::move(*next), open), state.options);
    } else {
      state.sink = with_flow(open()->sink_, state.options);
      state.agree_on(Role::kReceives, {});
    }
    return state.close(receive_stream(*state.loop, *state.session, **state.ring, *state.sink,
                                      stream_options(state.options)));
  });
}

CopyReport Connection::send_tree(const std::vector<std::string>& sources, const CopyOptions& copy) {
  State& state = *state_;
  return state.guarded([&] {
    state.agree_on(Role::kSends, {}, Content::kTree);
    const auto source = std::make_shared<TreeSource>(sources, copy, state.session->terms().peer_host);
    state.source = at_network_rate(source, state.options);
    const StreamResult result = send_stream(*state.loop, *state.session, **state.ring, *state.source,
                                            tree_options(state.options, copy, source));
    CopyReport report = source->report();
    report.failed += source->take_removals().run(*state.loop, copy.notice);
    return state.close(result, std::move(report));
  });
}

CopyReport Connection::receive_tree(const std::string& destination, const CopyOptions& copy) {
  State& state = *state_;
  return state.guarded([&] {
    state.agree_on(Role::kReceives, {}, Content::kTree);
    const auto sink = std::make_shared<TreeSink>(destination, copy, state.session->terms().peer_host);
    state.sink = at_network_rate(sink, state.options);
    const StreamResult result = receive_stream(*state.loop, *state.session, **state.ring, *state.sink,
                                               tree_options(state.options, copy, sink));
    // The sender has long to do where it removes its sources, and that may be interrupted.
    return state.close(result, sink->report(), copy.remove_source_files ? Nanoseconds(0) : kLastWords);
  });
}

void Connection::write(std::span<const std::byte> bytes) {
  State& state = *state_;
  state.guarded([&] {
    if (!state.sending) {
      state.agree_on(Role::kSends, {});
      state.sending.emplace(*state.loop, *state.session, **state.ring, state.bytes_in,
                            stream_options(state.options));
    }
    state.bytes_in.give(bytes);
    while (!state.bytes_in.empty()) state.sending->turn();
    state.sending->take_events();  // what was posted last goes out
  });
}

Result Connection::finish() {
  State& state = *state_;
  if (!state.sending) write({});
  return state.guarded([&] {
    state.bytes_in.end();
    while (!state.sending->committed()) state.sending->turn();
    return state.close(state.sending->finish());
  });
}

std::size_t Connection::read(std::span<std::byte> into) {
  State& state = *state_;
  if (state.read_all) return 0;
  if (into.empty()) throw Error(Status::kUsage, "read from a connection", "there is no room to read into");
  return state.guarded([&]() -> std::size_t {
    if (!state.receiving) {
      state.agree_on(Role::kReceives, {});
      state.receiving.emplace(*state.loop, *state.session, **state.ring, state.bytes_out,
                              stream_options(state.options));
    }
    for (;;) {
      if (const std::size_t count = state.bytes_out.take(into); count > 0) return count;
      if (state.receiving->finished()) {
        static_cast<void>(state.close(state.receiving->finish()));
        state.read_all = true;
        return 0;
      }
      state.receiving->turn();
    }
  });
}

}  // namespace rdpipe
