// Handshakes joined in memory, for tests.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "session/handshake.h"

namespace rdpipe {

using Bytes = std::vector<std::byte>;

inline const std::string kOneKey(64, '1');  // random keys, as far as the code can tell: no scrypt
inline const std::string kOtherKey(64, '2');

struct Conversation {
  explicit Conversation(const std::string& connectors_key = kOneKey,
                        const std::vector<std::string>& listeners_keys = {kOneKey})
      : key(Secret(connectors_key)),
        connector(Handshake::connector()),
        listener(Handshake::listener(make_listener_keys(listeners_keys))) {}

  // Each is called by its own text.
  static std::shared_ptr<const ListenerKeys> make_listener_keys(const std::vector<std::string>& texts) {
    const std::array<std::byte, kSaltSize> salt{std::byte{1}, std::byte{2}};
    std::vector<NamedPsk> keys;
    for (const std::string& text : texts) keys.push_back({text, Key(Secret(text)).psk(salt)});
    return std::make_shared<const ListenerKeys>(salt, std::move(keys));
  }

  // Carries what the two say back and forth until both are silent. `alter` sees each piece on its way.
  void run(const std::function<void(bool from_connector, Bytes&)>& alter = {}) {
    for (;;) {
      if (connector.verdict() == Verdict::kNeedsPsk) connector.set_psk(key.psk(connector.salt()));
      auto there = connector.take_output();
      if (alter) alter(true, there);
      heard_by_listener.insert(heard_by_listener.end(), there.begin(), there.end());
      listener.receive(there);
      auto back = listener.take_output();
      if (alter) alter(false, back);
      heard_by_connector.insert(heard_by_connector.end(), back.begin(), back.end());
      connector.receive(back);
      if (there.empty() && back.empty() && connector.verdict() != Verdict::kNeedsPsk) return;
    }
  }
  [[nodiscard]] bool done() const {
    return connector.verdict() == Verdict::kDone && listener.verdict() == Verdict::kDone;
  }

  Key key;
  Handshake connector, listener;
  Bytes heard_by_listener, heard_by_connector;
};

}  // namespace rdpipe
