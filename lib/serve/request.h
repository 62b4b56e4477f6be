// What a client and a server say to each other between the handshake and the offers: what is wanted, and
// whether it is this client's turn. One thread, that of the session's loop.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "ground/deadline.h"
#include "io/loop.h"
#include "session/session.h"
#include "wire/message.h"

namespace rdpipe {

// Bytes of words, each with its NUL: some 40,000 names. A server makes sense of them between its other work.
constexpr std::size_t kMaxRequest = std::size_t{2} << 20;

// The client's side. Returns when the server has admitted it: within `deadline` once its turn has come, which
// it waits for without limit with `waits`. `queued` hears how many are in front, when that changes. Throws
// what the server refuses it with (from_peer()); Error{kUsage} for words that are too many.
void ask_server(Loop& loop, Session& session, const std::vector<std::string>& words, bool waits,
                const std::function<void(std::size_t ahead)>& queued, Deadline deadline);

// The server's side: takes a request's messages, as they come.
class RequestReader {
 public:
  // True when it was the last. Throws Error{kProtocol} for what is no request, or too long.
  [[nodiscard]] bool take(const Message& message);
  [[nodiscard]] bool waits() const noexcept { return waits_; }
  [[nodiscard]] std::size_t size() const noexcept { return bytes_.size(); }
  [[nodiscard]] std::vector<std::string> take_words();

 private:
  std::string bytes_;
  bool waits_ = false;
};

}  // namespace rdpipe
