#include "rdpipe/launch.h"

#include <fmt/format.h>

#include <list>
#include <optional>
#include <utility>

#include "ground/error.h"
#include "io/loop.h"
#include "launch/alerts.h"
#include "launch/reach.h"
#include "launch/relay.h"
#include "launch/remote_end.h"
#include "rdpipe/fabric_options.h"
#include "rdpipe/report_lines.h"
#include "session/session.h"
#include "transport/tcp_link.h"

namespace rdpipe {
namespace {

constexpr Nanoseconds kFarewell = std::chrono::seconds(10);   // for a shell to end after its rdcp has
constexpr Nanoseconds kLastWords = std::chrono::seconds(2);   // ... after a failure
constexpr Nanoseconds kFollow = std::chrono::seconds(5);      // for one end to end after the other
constexpr Nanoseconds kAnswer = std::chrono::seconds(10);     // of an end that was told where to connect
constexpr Nanoseconds kHandshake = std::chrono::seconds(30);  // through the shell, which may be slow

RemoteShell remote_shell(const LaunchOptions& launch) {
  return {.command = launch.shell,
          .options = launch.ssh_options,
          .config = launch.ssh_config,
          .jump = launch.jump,
          .rdcp = launch.rdcp_path};
}

// After a failure: what it has to say is still heard.
void end_quietly(RemoteEnd& end) noexcept {
  try {
    static_cast<void>(end.finish(kLastWords));
  } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch): the first failure is the one to report
  }
}

// It removes what it has sent, as long as that takes and its standard input is open.
void await_removals(RemoteEnd& source) { static_cast<void>(source.await_exit(Deadline::never())); }

std::string describe(const LinkInfo& info) {
  const std::string device = info.device.empty() ? "" : fmt::format(" ({})", info.device);
  return fmt::format("{} to {}{}", info.fabric == Fabric::kRdma ? "RDMA" : "TCP", info.peer, device);
}

}  // namespace

// Members in the order of their lives.
struct Launcher::State {
  State(LaunchOptions its_launch, Options its_options)
      : launch(std::move(its_launch)),
        options(std::move(its_options)),
        fabric(fabric_options(options)),
        loop(std::make_shared<Loop>(loop_options(options))),
        key_text(Key::generate()),
        key(Secret(key_text)) {
    require_valid(options);
    fabric.address.clear();  // LaunchOptions::address says where an end is reached
    if (options.interrupt_fd >= 0) {
      alerts.add(options.interrupt_fd, [this] {
        options.on_interrupt();
        return true;
      });
    }
    loop->interrupt_on(alerts.fd(), [this] { alerts.take(); });
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    loop->interrupt_on(-1, {});  // the connection may keep the loop
    for (RemoteEnd& end : ends) end_quietly(end);
    wipe(std::as_writable_bytes(std::span(key_text)));
  }

  using Hear = std::function<void(const std::string& line)>;
  RemoteEnd& launch_on(const HostPath& where, Hear hear);
  Contact order(RemoteEnd& end, const std::vector<std::string>& words) {
    return end.start({.key = key_text, .words = words});
  }
  std::unique_ptr<Session> go_there(const HostPath& where, Contact contact);
  [[nodiscard]] std::unique_ptr<Doorway> open_door();
  std::unique_ptr<Session> let_in(RemoteEnd& end);
  std::unique_ptr<Session> through_shell(RemoteEnd& end);
  bool send_to(RemoteEnd& connector, const Contact& contact, const std::string& listener);
  void hear_from(const std::string& host, const std::string& line) {
    const Told told = parse_told(line);
    const auto* stays = std::get_if<UnremovedLine>(&told);
    if (stays != nullptr) ++unremoved;
    std::string_view text = stays != nullptr ? stays->text : line;
    if (text.starts_with("rdcp: ")) text.remove_prefix(6);  // so says the user's own
    if (launch.remote_line) launch.remote_line(host, printable(text, 2000));
  }
  void add_unremoved(const RemoteEnd& source, int status, CopyReport& report);
  void tell(const std::string& line) const {
    if (launch.detail) launch.detail(line);
  }
  void warn_of_detour(const std::string& text) const;
  void add_reason(const std::string& reason) { why_not += (why_not.empty() ? "" : "; ") + reason; }
  // Why it is not the way that was tried first; empty where it is.
  [[nodiscard]] std::string because() const { return why_not.empty() ? "" : "; " + why_not; }

  LaunchOptions launch;
  Options options;
  FabricOptions fabric;
  std::shared_ptr<Loop> loop;
  Alerts alerts;
  std::string key_text;
  Key key;
  std::list<RemoteEnd> ends;
  std::string why_not;  // no way was found so far
  std::uint64_t unremoved = 0;
};

RemoteEnd& Launcher::State::launch_on(const HostPath& where, Hear hear) {
  RemoteEnd& end = ends.emplace_back(*loop, remote_shell(launch), where, std::move(hear));
  alerts.add(end.messages_fd(), [&end] { return end.take_messages(); });
  return end;
}

// To where the other end listens.
std::unique_ptr<Session> Launcher::State::go_there(const HostPath& where, Contact contact) {
  if (contact.port == 0) return nullptr;
  // Its name as known here too: behind a translator of addresses it does not know that one itself.
  if (launch.address.empty()) contact.addresses.push_back(where.host);
  Reached reached = reach(*loop, contact, key, fabric);
  if (reached.session) {
    const std::string why = reached.why_not.empty() ? "" : fmt::format("; no RDMA: {}", reached.why_not);
    tell(fmt::format("{} listens: {}{}", where.host, describe(reached.session->link().info()), why));
    return std::move(reached.session);
  }
  add_reason(fmt::format("{} listens, but {}", where.host, reached.why_not));
  return nullptr;
}

// Nothing where no port can be had, unless this end alone was to listen.
std::unique_ptr<Doorway> Launcher::State::open_door() {
  try {
    const PortRange ports{launch.lowest_port, launch.highest_port};
    return std::make_unique<Doorway>(*loop, ports, key, fabric, options.notice);
  } catch (const Error& error) {
    if (launch.listen == ListenUse::kLocal || error.status() != Status::kNetwork) throw;
    add_reason(fmt::format("this host cannot {}: {}", error.attempt(), error.cause()));
    return nullptr;
  }
}

// From where this end listens.
std::unique_ptr<Session> Launcher::State::let_in(RemoteEnd& end) {
  const auto door = open_door();
  if (!door) return nullptr;
  end.say("CONNECT " + contact_text(door->contact(fabric, launch.address, {})));
  const Deadline deadline = Deadline::in(kAnswer);
  while (!deadline.passed()) {
    if (auto session = door->poll()) {
      tell(fmt::format("this host listens: {}{}", describe(session->link().info()), because()));
      return session;
    }
    if (const auto verdict = end.poll_verdict(); verdict && !verdict->reached) {
      add_reason(fmt::format("this host listens, but {}", verdict->text));
      return nullptr;
    }
    loop->wait(deadline);
  }
  throw Error(Status::kConnectTimeout, "connect to " + end.host(), "it does not answer");
}

void Launcher::State::warn_of_detour(const std::string& text) const {
  if (demands_rdma(fabric)) {
    throw Error(Status::kConnectTimeout, "connect over RDMA", why_not,
                "--fabric=auto, without --device, does without RDMA");
  }
  if (options.notice) options.notice(why_not.empty() ? text : fmt::format("{} ({})", text, why_not));
}

std::unique_ptr<Session> Launcher::State::through_shell(RemoteEnd& end) {
  warn_of_detour(fmt::format(
      "no data port of {} or of this host can be reached: the data goes through ssh{}", end.host(),
      launch.lowest_port == 0 ? "; --port LO-HI names ports that a firewall lets through" : ""));
  end.say("STREAM listener");
  auto link = std::make_unique<TcpLink>(*loop, end.take_stream());
  return authenticate(*loop, std::move(link), key, Deadline::in(kHandshake));
}

// Whether `connector` has reached the other.
bool Launcher::State::send_to(RemoteEnd& connector, const Contact& contact, const std::string& listener) {
  if (contact.port == 0) return false;
  connector.say("CONNECT " + contact_text(contact));
  for (;;) {
    if (const auto verdict = connector.poll_verdict()) {
      const std::string what = fmt::format("{} listens, {}", listener, connector.host());
      if (verdict->reached) {
        tell(fmt::format("{} connects:{}{}", what, verdict->text, because()));
        return true;
      }
      add_reason(fmt::format("{} cannot connect: {}", what, verdict->text));
      return false;
    }
    loop->wait();
  }
}

// Sources go when everything is in place: only their end knows of it, and says so in lines and its exit
// status.
void Launcher::State::add_unremoved(const RemoteEnd& source, int status, CopyReport& report) {
  report.failed += unremoved;
  if (status == report.status()) return;
  ++report.failed;
  hear_from(source.host(),
            fmt::format("removing sources ended with status {}: some may still be there", status));
}

Launcher::Launcher(LaunchOptions launch, Options options)
    : state_(std::make_unique<State>(std::move(launch), std::move(options))) {}
Launcher::~Launcher() = default;

Connection Launcher::connect(const HostPath& where, const std::vector<std::string>& words) {
  State& state = *state_;
  RemoteEnd& end = state.launch_on(
      where, [&state, host = where.host](const std::string& line) { state.hear_from(host, line); });
  const Contact contact = state.order(end, words);
  std::unique_ptr<Session> session;
  if (state.launch.listen != ListenUse::kLocal) session = state.go_there(where, contact);
  if (!session && state.launch.listen != ListenUse::kRemote) session = state.let_in(end);
  if (!session) session = state.through_shell(end);
  session->call_peer(where.host);
  return Connection::over(state.loop, std::move(session), state.options);
}

int Launcher::finish() { return state_->ends.empty() ? 0 : state_->ends.back().finish(kFarewell); }

void Launcher::finish_removing(CopyReport& report) {
  RemoteEnd& end = state_->ends.back();
  await_removals(end);
  state_->add_unremoved(end, end.finish(kLastWords), report);
}

CopyReport Launcher::copy_between(const HostPath& from, const std::vector<std::string>& from_words,
                                  const HostPath& to, const std::vector<std::string>& to_words,
                                  const CopyOptions& copy) {
  State& state = *state_;
  std::optional<CopyReport> report;
  const auto hear_as = [&](const std::string& host, bool is_target) {
    return [&state, &copy, &report, host, is_target](const std::string& line) {
      const Told told = is_target ? parse_told(line) : Told();
      if (const auto* listed = std::get_if<ListedLine>(&told)) {
        if (copy.listed) copy.listed(printable(listed->text, 8192));
      } else if (const auto* progress = std::get_if<CopyProgress>(&told)) {
        if (copy.progress) copy.progress(*progress);
      } else if (const auto* whole = std::get_if<CopyReport>(&told)) {
        report = *whole;
      } else {
        state.hear_from(host, line);
      }
    };
  };
  RemoteEnd& target = state.launch_on(to, hear_as(to.host, true));
  const Contact there = state.order(target, to_words);
  RemoteEnd& source = state.launch_on(from, hear_as(from.host, false));
  const Contact here = state.order(source, from_words);
  const bool straight = state.send_to(source, there, to.host) || state.send_to(target, here, from.host);
  if (!straight) {
    state.warn_of_detour(
        state.launch.listen == ListenUse::kLocal
            ? "the data goes through this host, which is to listen"
            : fmt::format("{} and {} cannot reach each other: the data goes through this host", from.host,
                          to.host));
    target.say("STREAM listener");
    source.say("STREAM connector");
    RemoteEnd::Ends a = source.take_ends(), b = target.take_ends();
    relay(*state.loop, {std::move(a.from), std::move(a.to)}, {std::move(b.from), std::move(b.to)});
  }
  await_either(*state.loop, target, source);
  // The other follows by itself: it has lost the connection, or done its work. But one that never had it
  // waits.
  static_cast<void>(target.await_exit(Deadline::in(kFollow)) && source.await_exit(Deadline::in(kFollow)));
  const int target_status = target.finish(kLastWords);
  const bool removes = report && copy.remove_source_files;
  if (removes) await_removals(source);
  const int source_status = source.finish(kLastWords);
  const bool agrees = report && target_status == report->status();
  if (agrees && removes) state.add_unremoved(source, source_status, *report);
  if (agrees && (removes || source_status == 0 || source_status == target_status)) return *report;
  const int status = target_status != 0 && !agrees ? target_status : source_status;
  throw Error(static_cast<Status>(status == 0 ? static_cast<int>(Status::kDamaged) : status),
              fmt::format("copy from {} to {}", from.host, to.host), "it failed at one end");
}

}  // namespace rdpipe
