// The keys of a server: their texts, which nothing is left of, and what is made of them. Any thread.
#pragma once

#include <array>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "rdpipe/serve.h"
#include "session/handshake.h"
#include "session/key.h"

namespace rdpipe {

class WipedKeys {
 public:
  explicit WipedKeys(std::vector<ServedKey> keys) : keys_(std::move(keys)) {}
  WipedKeys(WipedKeys&&) = default;
  WipedKeys& operator=(WipedKeys&&) = delete;
  ~WipedKeys() { wipe_all(); }

  [[nodiscard]] const std::vector<ServedKey>& list() const { return keys_; }
  // The same without their texts.
  [[nodiscard]] std::vector<ServedKey> take_rest();

 private:
  void wipe_all();
  std::vector<ServedKey> keys_;
};

// For the lobby, and to tell whether a key is still the same.
struct DerivedKeys {
  std::shared_ptr<const ListenerKeys> listener{};
  std::vector<KeyId> ids{};  // in the order of the keys
};

// 50 ms for each that is a passphrase. In a job of a loop it ends early, with Error{kSignal}, when nobody
// wants it any more.
[[nodiscard]] DerivedKeys derive(const WipedKeys& keys, std::span<const std::byte, kSaltSize> salt);

// Names of keys that are no longer what they were, or gone. Both were derived with one salt.
[[nodiscard]] std::set<std::string> changed_keys(const std::vector<ServedKey>& before,
                                                 const DerivedKeys& derived_before,
                                                 const std::vector<ServedKey>& now,
                                                 const DerivedKeys& derived_now);

}  // namespace rdpipe
