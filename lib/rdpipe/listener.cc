#include <memory>
#include <utility>

#include "io/loop.h"
#include "rdpipe/connection.h"
#include "rdpipe/fabric_options.h"
#include "session/key.h"
#include "session/session.h"
#include "transport/fabric.h"

namespace rdpipe {

struct Listener::State {
  State(const std::string& port, std::string_view key, const Options& its_options)
      : options(its_options),
        loop(make_loop(options)),
        acceptor(listen(*loop, port, fabric_options(options), notice_of(options))),
        lobby(*loop, *acceptor, Key(Secret(key)), notice_of(options)) {}

  Options options;
  std::shared_ptr<Loop> loop;
  std::unique_ptr<Acceptor> acceptor;
  Lobby lobby;
};

Listener::Listener(const std::string& port, std::string_view key, const Options& options) {
  require_valid(options);
  state_ = std::make_unique<State>(port, key, options);
}

Listener::Listener(Listener&&) noexcept = default;
Listener& Listener::operator=(Listener&&) noexcept = default;
Listener::~Listener() = default;

std::uint16_t Listener::port() const { return state_->acceptor->port(); }
std::string Listener::describe() const { return state_->acceptor->describe(); }

Connection Listener::accept() {
  for (;;) {
    if (auto session = state_->lobby.poll()) {
      return Connection::over(state_->loop, std::move(session), state_->options);
    }
    state_->loop->wait();
  }
}

}  // namespace rdpipe
