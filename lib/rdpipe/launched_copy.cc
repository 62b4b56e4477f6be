// The side of <rdpipe/launch.h> that was started by the other.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <utility>

#include "ground/error.h"
#include "io/loop.h"
#include "launch/alerts.h"
#include "launch/launched_end.h"
#include "rdpipe/fabric_options.h"
#include "rdpipe/launch.h"
#include "rdpipe/report_lines.h"
#include "session/session.h"

namespace rdpipe {
namespace {

// What a standard descriptor is, under another number; the standard one then leads nowhere, so that nothing
// that prints or reads by accident can get between the frames.
Descriptor take_standard(int fd) {
  Descriptor taken(check(::fcntl(fd, F_DUPFD_CLOEXEC, 3), Status::kMemory, "take over a descriptor"));
  const Descriptor nowhere(check(::open("/dev/null", O_RDWR | O_CLOEXEC), Status::kMemory, "open /dev/null"));
  check(::dup2(nowhere.get(), fd), Status::kMemory, "take over a descriptor");
  return taken;
}

void write_error_line(const std::string& line) {
  for (std::size_t done = 0; done < line.size();) {
    const auto count = ::write(STDERR_FILENO, line.data() + done, line.size() - done);
    if (count == -1 && errno == EINTR) continue;
    if (count <= 0) return;  // nobody to tell
    done += static_cast<std::size_t>(count);
  }
}

}  // namespace

struct LaunchedCopy::State {
  State() : end(take_standard(STDIN_FILENO), take_standard(STDOUT_FILENO)) {
    try {
      orders = end.take_orders();
    } catch (const Error& error) {
      end.refuse(static_cast<int>(error.status()), error.what());
      throw;
    }
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    if (loop) loop->interrupt_on(-1, {});  // the connection may keep it
    wipe(std::as_writable_bytes(std::span(orders.key)));
  }
  void watch_user(const Options& options) {
    if (options.interrupt_fd < 0) return;
    alerts.add(options.interrupt_fd, [action = options.on_interrupt] {
      action();
      return true;
    });
  }
  void watch_launcher() {
    if (end.launcher_fd() < 0) return;
    alerts.add(end.launcher_fd(), [this] {
      end.check_launcher();
      return true;
    });
  }

  LaunchedEnd end;
  Orders orders;
  std::shared_ptr<Loop> loop;
  Alerts alerts;
  bool connected = false;
};

LaunchedCopy::LaunchedCopy() : state_(std::make_unique<State>()) {}
LaunchedCopy::~LaunchedCopy() = default;

const std::vector<std::string>& LaunchedCopy::words() const { return state_->orders.words; }
bool LaunchedCopy::connected() const { return state_->connected; }

Connection LaunchedCopy::connect(const LaunchOptions& launch, const Options& options,
                                 const std::string& known) {
  State& state = *state_;
  const Key key{Secret(state.orders.key)};
  FabricOptions fabric = fabric_options(options);
  fabric.address.clear();
  state.loop = std::make_shared<Loop>(loop_options(options));
  state.watch_user(options);
  state.loop->interrupt_on(state.alerts.fd(), [&state] { state.alerts.take(); });
  std::optional<Doorway> door;
  Contact contact;
  if (launch.listen != ListenUse::kLocal) {
    door.emplace(*state.loop, PortRange{launch.lowest_port, launch.highest_port}, key, fabric,
                 options.notice);
    contact = door->contact(fabric, launch.address, known);
  }
  auto session = state.end.await_session(*state.loop, door ? &*door : nullptr, contact, key, fabric);
  state.connected = true;
  state.watch_launcher();
  return Connection::over(state.loop, std::move(session), options);
}

void LaunchedCopy::refuse(const Error& error) noexcept {
  if (!state_->connected) state_->end.refuse(static_cast<int>(error.status()), error.what());
}

void LaunchedCopy::tell_unremoved(const std::string& line) { write_error_line(unremoved_line(line)); }
void LaunchedCopy::tell_line(const std::string& line) { write_error_line(listed_line(line)); }
void LaunchedCopy::tell_progress(const CopyProgress& progress) { write_error_line(progress_line(progress)); }
void LaunchedCopy::tell_report(const CopyReport& report) { write_error_line(report_line(report)); }

}  // namespace rdpipe
