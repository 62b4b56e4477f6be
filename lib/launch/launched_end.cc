#include "launch/launched_end.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <span>
#include <utility>

#include "ground/error.h"
#include "io/loop.h"
#include "launch/pipe_stream.h"
#include "transport/one_link.h"
#include "transport/tcp_link.h"

namespace rdpipe {
namespace {

constexpr Nanoseconds kHandshake = std::chrono::seconds(30);  // through the launcher, which may be slow

[[noreturn]] void throw_gone() { throw Error(Status::kSignal, "hear from the launcher", "it has gone"); }

// Reads up to `size` bytes, waiting for them; fewer at the end.
std::string read_exactly(int fd, std::size_t size) {
  std::string bytes(size, '\0');
  std::size_t done = 0;
  while (done < size) {
    const auto count = ::read(fd, bytes.data() + done, size - done);
    if (count == 0 || (count == -1 && errno != EINTR)) throw_gone();
    if (count > 0) done += static_cast<std::size_t>(count);
  }
  return bytes;
}

}  // namespace

Orders LaunchedEnd::take_orders() {
  const std::size_t size = parse_orders_line(read_line());
  std::string bytes = read_exactly(in_.get(), size);
  Orders orders = parse_orders(bytes);
  wipe(std::as_writable_bytes(std::span(bytes)));
  return orders;
}

// A byte at a time: what follows may be frames.
std::string LaunchedEnd::read_line() {
  std::string line;
  while (line.size() < kMaxLine) {
    const std::string byte = read_exactly(in_.get(), 1);
    if (byte == "\n") return line;
    line += byte;
  }
  throw Error(Status::kProtocol, "hear from the launcher", "what speaks is no rdcp");
}

void LaunchedEnd::say(const std::string& line) const {
  for (std::size_t done = 0; done < line.size();) {
    const auto count = ::write(out_.get(), line.data() + done, line.size() - done);
    if (count == -1 && errno == EINTR) continue;
    if (count <= 0) throw_gone();
    done += static_cast<std::size_t>(count);
  }
}

void LaunchedEnd::refuse(int status, const std::string& text) noexcept {
  try {
    if (out_) say(error_line(status, text));
  } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch): nobody to tell
  }
}

std::unique_ptr<Session> LaunchedEnd::await_session(Loop& loop, Doorway* door, const Contact& contact,
                                                    const Key& key, const FabricOptions& options) {
  say(ready_line(contact));
  std::optional<Watch> spoken;
  for (;;) {
    if (door != nullptr) {
      if (auto session = door->poll()) return session;
    }
    if (!spoken) {
      spoken.emplace(loop, in_.get());
      spoken->arm(POLLIN);
    }
    loop.wait();
    if (spoken->armed()) continue;
    spoken.reset();
    if (auto session = obey(loop, read_line(), key, options)) return session;
  }
}

std::unique_ptr<Session> LaunchedEnd::obey(Loop& loop, const std::string& line, const Key& key,
                                           const FabricOptions& options) {
  if (line == "STREAM connector" || line == "STREAM listener") {
    return through_descriptors(loop, line == "STREAM connector", key);
  }
  const auto contact = line.starts_with("CONNECT ") ? parse_contact(line.substr(8)) : std::nullopt;
  if (!contact) throw Error(Status::kProtocol, "hear from the launcher", "what it says makes no sense");
  try {
    Reached reached = reach(loop, *contact, key, options);
    if (reached.session) {
      const Link& link = reached.session->link();
      const std::string why = reached.why_not.empty() ? "" : "; no RDMA: " + printable(reached.why_not, 2000);
      say(fmt::format("RDPIPE CONNECTED {} {}{}\n", fabric_name(link.info().fabric), link.info().peer, why));
      return std::move(reached.session);
    }
    say(fmt::format("RDPIPE UNREACHED {}\n", printable(reached.why_not, 2000)));
  } catch (const Error& error) {
    if (error.status() != Status::kEndpoint) throw;
    say(fmt::format("RDPIPE UNREACHED {}\n", printable(error.what(), 2000)));
  }
  return nullptr;
}

std::unique_ptr<Session> LaunchedEnd::through_descriptors(Loop& loop, bool connects, const Key& key) {
  auto stream = std::make_unique<PipeStream>(loop, std::move(in_), std::move(out_), "the other end");
  auto link = std::make_unique<TcpLink>(loop, std::move(stream));
  const Deadline deadline = Deadline::in(kHandshake);
  if (connects) return authenticate(loop, std::move(link), key, deadline);
  OneLink acceptor(std::move(link));
  Lobby lobby(loop, acceptor, key, [](const std::string&) {}, {.strangers = 1, .patience = kHandshake});
  while (!deadline.passed()) {
    if (auto session = lobby.poll()) return session;
    loop.wait(deadline);
  }
  throw Error(Status::kConnectTimeout, "hear from the other end", "it did not finish the handshake in time");
}

void LaunchedEnd::check_launcher() {
  char byte = 0;
  if (::read(in_.get(), &byte, 1) <= 0) throw_gone();
}

}  // namespace rdpipe
