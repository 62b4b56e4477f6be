#include "serve/request.h"

#include <algorithm>
#include <span>
#include <string_view>
#include <utility>

#include "ground/error.h"

namespace rdpipe {
namespace {

constexpr auto kAttempt = "hear what a client wants";

void send_words(Session& session, const std::vector<std::string>& words, bool waits) {
  std::string bytes;
  for (const std::string& word : words) bytes += word + '\0';
  if (bytes.size() > kMaxRequest) {
    throw Error(Status::kUsage, "ask the server", "the request is above 2 MiB",
                "fewer names in --files-from, or a pattern in their place");
  }
  const auto all = std::as_bytes(std::span(bytes));
  for (std::size_t at = 0; at < all.size(); at += kMaxWords) {
    const auto piece = all.subspan(at, std::min(kMaxWords, all.size() - at));
    session.send(Order{{piece.begin(), piece.end()}, at + piece.size() == all.size(), waits});
  }
}

// Of one message: whether the client is let in.
bool is_admission(const Session& session, const Message& message,
                  const std::function<void(std::size_t)>& queued) {
  if (std::holds_alternative<Admitted>(message)) return true;
  const auto* place = std::get_if<Queued>(&message);
  if (place == nullptr) {
    throw Error(Status::kProtocol, "ask " + session.terms().peer_host,
                "what answers there is no server of trees", "rdcp --serve is one; rdrecv is not");
  }
  if (queued) queued(place->ahead);
  return false;
}

}  // namespace

void ask_server(Loop& loop, Session& session, const std::vector<std::string>& words, bool waits,
                const std::function<void(std::size_t)>& queued, Deadline deadline) {
  const std::string attempt = "ask " + session.terms().peer_host;
  send_words(session, words, waits);
  for (;;) {
    while (const auto message = session.next()) {
      if (is_admission(session, *message, queued)) return;
      if (waits) deadline = Deadline::never();
    }
    if (const auto event = session.link().poll()) {
      if (const auto* control = std::get_if<Control>(&*event)) session.receive(*control);
      if (std::holds_alternative<PeerClosed>(*event)) {
        throw Error(Status::kNetwork, attempt, "it closed the connection");
      }
      continue;
    }
    if (deadline.passed()) throw Error(Status::kConnectTimeout, attempt, "it did not answer in time");
    loop.wait(deadline);
  }
}

bool RequestReader::take(const Message& message) {
  const auto* order = std::get_if<Order>(&message);
  if (order == nullptr) {
    throw Error(Status::kProtocol, kAttempt, "it asks for nothing: this is a server of trees, for rdcp");
  }
  if (bytes_.size() + order->words.size() > kMaxRequest) {
    throw Error(Status::kProtocol, kAttempt, "the request is above 2 MiB");
  }
  bytes_.append(reinterpret_cast<const char*>(order->words.data()), order->words.size());
  waits_ = order->waits;
  if (order->last && bytes_.back() != '\0') {
    throw Error(Status::kProtocol, kAttempt, "the request is cut off");
  }
  return order->last;
}

std::vector<std::string> RequestReader::take_words() {
  const std::string bytes = std::exchange(bytes_, {});
  std::vector<std::string> words;
  for (std::string_view rest = bytes; !rest.empty();) {
    const std::size_t end = rest.find('\0');
    words.emplace_back(rest.substr(0, end));
    rest.remove_prefix(end + 1);
  }
  return words;
}

}  // namespace rdpipe
