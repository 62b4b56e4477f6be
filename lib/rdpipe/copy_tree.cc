// Copying within this host: both ends in one process, joined in memory.
#include <future>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include "ground/error.h"
#include "io/loop.h"
#include "rdpipe/connection.h"
#include "rdpipe/fabric_options.h"
#include "ring/ring.h"
#include "session/session.h"
#include "stream/receive.h"
#include "stream/send.h"
#include "transport/loopback.h"
#include "tree/local_files.h"
#include "tree/tree_sink.h"
#include "tree/tree_source.h"

namespace rdpipe {
namespace {

constexpr Nanoseconds kLastWords = std::chrono::seconds(2);
constexpr auto kPeerName = "this host";

class OneLink final : public Acceptor {
 public:
  explicit OneLink(std::unique_ptr<Link> link) : link_(std::move(link)) {}
  std::unique_ptr<Link> poll() override { return std::move(link_); }
  std::uint16_t port() const override { return 0; }
  std::string describe() const override { return "memory"; }

 private:
  std::unique_ptr<Link> link_;
};

Offer offer_of(Role role, const Options& options) {
  Offer offer;
  offer.role = role;
  offer.slot_size = static_cast<std::uint32_t>(options.slot_size);
  offer.digest = options.checksum ? Choice::kAuto : Choice::kNo;
  offer.seal = Choice::kNo;
  offer.content = Content::kTree;
  return offer;
}

RingShape shape_of(const Options& options) {
  return {options.slot_size, options.ring_size / options.slot_size};
}

// Runs one end of the session; when it fails, the other is told. `ring` outlives the session and whatever
// else holds slots of it.
template <typename Move>
StreamResult run_end(Loop& loop, Session& session, Ring& ring, Role role, const Options& options, Move move) {
  try {
    session.link().attach(ring);
    static_cast<void>(session.exchange(loop, offer_of(role, options), Deadline::in(options.connect_timeout)));
    StreamResult result = move();
    static_cast<void>(session.finish(loop, kLastWords));
    return result;
  } catch (const Error& error) {
    session.fail(loop, error, kLastWords);
    throw;
  }
}

// The sender's end, on a thread of its own. Its lines go to the receiver, which is the user's. Returns what
// the user's thread is to remove.
SourceRemovals send_end(std::promise<Loop*>& loop_made, std::future<std::unique_ptr<Link>> link,
                        const std::string& key, const std::vector<std::string>& sources, CopyOptions copy,
                        const Options& options, std::shared_ptr<LocalFiles> local) {
  Loop loop({.use_uring = options.use_uring});
  loop_made.set_value(&loop);
  copy.hears_peer = false;
  copy.progress = {};
  copy.notice = copy.listed = {};
  const Deadline deadline = Deadline::in(options.connect_timeout);
  Ring ring(shape_of(options));
  const auto session = authenticate(loop, link.get(), Key(Secret(std::string_view(key))), deadline);
  std::optional<TreeSource> source;  // the other end is told of sources that are refused
  static_cast<void>(run_end(loop, *session, ring, Role::kSends, options, [&] {
    source.emplace(sources, copy, kPeerName, std::move(local));
    return send_stream(loop, *session, ring, *source, {options.timeout, {}});
  }));
  return source->take_removals();
}

std::unique_ptr<Session> accept_one(Loop& loop, std::unique_ptr<Link> link, const std::string& key) {
  OneLink acceptor(std::move(link));
  Lobby lobby(loop, acceptor, Key(Secret(std::string_view(key))), [](const std::string&) {});
  for (;;) {
    if (auto session = lobby.poll()) return session;
    loop.wait();
  }
}

}  // namespace

CopyReport copy_tree(const std::vector<std::string>& sources, const std::string& destination,
                     const CopyOptions& copy, const Options& options) {
  require_valid(options);
  CopyOptions here = copy;
  here.hears_peer = true;
  const std::string key = generate_key();
  Loop loop({.use_uring = options.use_uring});
  if (options.interrupt_fd >= 0) loop.interrupt_on(options.interrupt_fd, options.on_interrupt);
  const auto local = std::make_shared<LocalFiles>();
  std::promise<Loop*> other_loop;
  std::promise<std::unique_ptr<Link>> other_link;
  auto sent = std::async(std::launch::async, [&] {
    return send_end(other_loop, other_link.get_future(), key, sources, copy, options, local);
  });
  auto [first, second] = make_loopback(loop, *other_loop.get_future().get());
  other_link.set_value(std::move(second));
  CopyReport report;
  try {
    Ring ring(shape_of(options));
    const auto session = accept_one(loop, std::move(first), key);
    TreeSink sink(destination, here, kPeerName, local);
    const StreamResult result = run_end(loop, *session, ring, Role::kReceives, options, [&] {
      return receive_stream(loop, *session, ring, sink, {options.timeout, {}});
    });
    report = sink.report();
    report.elapsed = result.elapsed;
  } catch (const Error& error) {
    if (error.from_peer()) static_cast<void>(sent.get());  // throws the failure as it was met there
    throw;
  }
  report.failed += sent.get().run(copy.notice);
  report.fabric = "local";
  return report;
}

}  // namespace rdpipe
