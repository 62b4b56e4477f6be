// Copying within this host: both ends in one process, joined in memory.
#include <fmt/format.h>

#include <atomic>
#include <exception>
#include <filesystem>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include "files/target.h"
#include "ground/error.h"
#include "io/loop.h"
#include "rdpipe/connection.h"
#include "rdpipe/fabric_options.h"
#include "ring/ring.h"
#include "session/session.h"
#include "stream/receive.h"
#include "stream/send.h"
#include "transport/loopback.h"
#include "transport/one_link.h"
#include "tree/local_files.h"
#include "tree/tree_sink.h"
#include "tree/tree_source.h"

namespace rdpipe {
namespace {

constexpr Nanoseconds kLastWords = std::chrono::seconds(2);
constexpr auto kPeerName = "this host";

// Memory is copied, as over TCP.
RingShape shape_of(const Options& options) { return ring_shape(options, Fabric::kTcp); }

Offer offer_of(Role role, const Options& options) {
  Offer offer;
  offer.role = role;
  offer.slot_size = static_cast<std::uint32_t>(shape_of(options).slot_size);
  offer.digest = options.checksum ? Choice::kAuto : Choice::kNo;
  offer.seal = Choice::kNo;
  offer.content = Content::kTree;
  return offer;
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

// The sender's thread, and what it and the receiver's exchange before they have a link. Belongs to the
// receiver's, which has `loop`. Destroyed, it waits for the sender to give up.
class SenderThread {
 public:
  using Work = std::function<void(SenderThread& self)>;
  SenderThread(Loop& loop, Work work) : loop_(loop) {
    try {
      result_ = std::async(std::launch::async, [this, work = std::move(work)] { run(work); });
    } catch (const std::system_error& error) {
      throw_errno(error.code().value(), Status::kMemory, "start a thread");
    }
  }
  SenderThread(const SenderThread&) = delete;
  SenderThread& operator=(const SenderThread&) = delete;
  ~SenderThread() {
    unwanted_ = true;
    if (!has_link_) link_.set_value(nullptr);
  }

  // For the receiver's thread.
  [[nodiscard]] Loop& other_loop() { return *made_.get_future().get(); }
  void give(std::unique_ptr<Link> link) {
    has_link_ = true;
    link_.set_value(std::move(link));
  }
  void throw_if_ended() {
    if (ended_) result_.get();
  }
  // Throws what has ended it.
  void await_end() {
    while (!ended_) loop_.wait();
    result_.get();
  }

  // For the sender's.
  void show(Loop& own) {
    shown_ = true;
    made_.set_value(&own);
  }
  [[nodiscard]] std::unique_ptr<Link> take_link() {
    auto link = link_.get_future().get();
    throw_if_unwanted();
    return link;
  }
  void throw_if_unwanted() const {
    if (unwanted_) throw Error(Status::kSignal, "send", "the receiver has given up");
  }

 private:
  void run(const Work& work) {
    const auto end = [this] {
      ended_ = true;
      loop_.notify();
    };
    try {
      work(*this);
    } catch (...) {
      if (!shown_) made_.set_exception(std::current_exception());
      end();
      throw;
    }
    end();
  }

  Loop& loop_;
  std::promise<Loop*> made_;
  std::promise<std::unique_ptr<Link>> link_;
  bool has_link_ = false;  // the receiver's
  bool shown_ = false;     // the sender's
  std::atomic<bool> unwanted_ = false, ended_ = false;
  std::future<void> result_;  // last: its end is awaited before the others go
};

// The sender's end. Its lines go to the receiver, which is the user's. Returns what the user's thread is to
// remove.
SourceRemovals send_end(SenderThread& self, const std::string& key, const std::vector<std::string>& sources,
                        CopyOptions copy, const Options& options, std::shared_ptr<LocalFiles> local) {
  Loop loop({.use_uring = options.use_uring});
  self.show(loop);
  copy.hears_peer = false;
  copy.progress = {};
  copy.notice = copy.listed = {};
  const Deadline deadline = Deadline::in(options.connect_timeout);
  auto link = self.take_link();
  Ring ring(shape_of(options));
  const auto session = authenticate(loop, std::move(link), Key(Secret(std::string_view(key))), deadline);
  std::optional<TreeSource> source;  // the other end is told of sources that are refused
  static_cast<void>(run_end(loop, *session, ring, Role::kSends, options, [&] {
    source.emplace(sources, copy, kPeerName, std::move(local));
    return send_stream(loop, *session, ring, *source, {options.timeout, {}});
  }));
  return source->take_removals();
}

std::unique_ptr<Session> accept_one(Loop& loop, std::unique_ptr<Link> link, const std::string& key,
                                    SenderThread& sender) {
  OneLink acceptor(std::move(link));
  Lobby lobby(loop, acceptor, Key(Secret(std::string_view(key))), [](const std::string&) {});
  for (;;) {
    if (auto session = lobby.poll()) return session;
    sender.throw_if_ended();  // to the lobby it is one stranger less
    loop.wait();
  }
}

// What a source does not have is deleted from what it becomes: so would be a source that lies in that. One
// that becomes itself does not.
void require_apart(const std::vector<std::string>& sources, const std::string& destination,
                   const CopyOptions& copy) {
  std::error_code missing;
  const auto into = std::filesystem::canonical(destination.empty() ? "." : destination, missing);
  if (missing) return;
  std::map<std::filesystem::path, const std::string*> targets;
  for (const std::string& source : sources) {
    const bool is_it = stands_for_contents(source) || copy.no_target_directory || copy.files_from;
    targets.emplace(is_it ? into : into / split_path(without_slashes(source)).leaf, &source);
  }
  for (const std::string& source : sources) {
    const auto from = std::filesystem::canonical(source.empty() ? "." : source, missing);
    if (missing) continue;
    for (auto above = from; !above.empty(); above = above.has_relative_path() ? above.parent_path() : "") {
      const auto found = targets.find(above);
      if (found == targets.end() || (above == from && found->second == &source)) continue;
      throw Error(
          Status::kUsage, "delete what the source does not have",
          fmt::format("'{}' lies in the destination, and would be deleted itself", printable(source)));
    }
  }
}

}  // namespace

CopyReport copy_tree(const std::vector<std::string>& sources, const std::string& destination,
                     const CopyOptions& copy, const Options& options) {
  require_valid(options);
  if (copy.delete_extra) require_apart(sources, destination, copy);
  CopyOptions here = copy;
  here.hears_peer = true;
  const std::string key = generate_key();
  Loop loop({.use_uring = options.use_uring});
  hear_interrupts(loop, options);
  const auto local = std::make_shared<LocalFiles>();
  std::optional<SourceRemovals> removals;
  SenderThread sender(loop, [&](SenderThread& self) {
    removals.emplace(send_end(self, key, sources, copy, options, local));
  });
  auto [first, second] = make_loopback(loop, sender.other_loop());
  sender.give(std::move(second));
  CopyReport report;
  try {
    Ring ring(shape_of(options));
    const auto session = accept_one(loop, std::move(first), key, sender);
    TreeSink sink(destination, here, kPeerName, local);
    StreamOptions stream{options.timeout, {}};
    if (copy.progress)
      stream.progress = [&](const StreamProgress& progress) { sink.tell_progress(progress); };
    const StreamResult result = run_end(loop, *session, ring, Role::kReceives, options,
                                        [&] { return receive_stream(loop, *session, ring, sink, stream); });
    report = sink.report();
    report.elapsed = result.elapsed;
  } catch (const Error& error) {
    if (error.from_peer()) sender.await_end();  // throws the failure as it was met there
    throw;
  }
  sender.await_end();
  report.failed += removals->run(loop, copy.notice);
  report.fabric = "local";
  return report;
}

}  // namespace rdpipe
