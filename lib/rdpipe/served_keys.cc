#include "rdpipe/served_keys.h"

#include <algorithm>
#include <utility>

#include "ground/error.h"
#include "ground/secret.h"
#include "io/workers.h"

namespace rdpipe {

std::vector<ServedKey> WipedKeys::take_rest() {
  wipe_all();
  return std::move(keys_);
}

void WipedKeys::wipe_all() {
  for (ServedKey& key : keys_) {
    key.key.resize(key.key.capacity());
    wipe(std::as_writable_bytes(std::span(key.key)));
    key.key.clear();
  }
}

DerivedKeys derive(const WipedKeys& keys, std::span<const std::byte, kSaltSize> salt) {
  DerivedKeys derived;
  std::vector<NamedPsk> psks;
  for (const ServedKey& key : keys.list()) {
    if (is_unwanted()) throw Error(Status::kSignal, "read the keys again", "the server stops");
    psks.push_back({key.name, Key(Secret(key.key)).psk(salt)});
    derived.ids.push_back(key_id(psks.back().psk, salt));
  }
  derived.listener = std::make_shared<const ListenerKeys>(salt, std::move(psks));
  return derived;
}

std::set<std::string> changed_keys(const std::vector<ServedKey>& before, const DerivedKeys& derived_before,
                                   const std::vector<ServedKey>& now, const DerivedKeys& derived_now) {
  std::set<std::string> names;
  for (std::size_t i = 0; i < before.size(); ++i) {
    const ServedKey& old = before[i];
    const auto same = std::ranges::find(now, old.name, &ServedKey::name);
    const bool is_same =
        same != now.end() &&
        derived_now.ids[static_cast<std::size_t>(same - now.begin())] == derived_before.ids[i] &&
        same->directory == old.directory && same->may_read == old.may_read &&
        same->may_write == old.may_write;
    if (!is_same) names.insert(old.name);
  }
  return names;
}

}  // namespace rdpipe
