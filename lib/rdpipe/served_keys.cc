#include "rdpipe/served_keys.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <span>
#include <utility>

#include "ground/error.h"
#include "ground/secret.h"
#include "io/workers.h"
#include "tree/scope.h"

namespace rdpipe {
namespace {

std::array<std::byte, kSaltSize> make_salt() {
  std::array<std::byte, kSaltSize> salt;
  fill_random(salt);
  return salt;
}

}  // namespace

// Keys with their texts, which are wiped.
class ServedKeys::Texts {
 public:
  explicit Texts(std::vector<ServedKey> keys) : keys_(std::move(keys)) {}
  Texts(Texts&&) = default;
  Texts& operator=(Texts&&) = delete;
  ~Texts() { wipe_all(); }

  [[nodiscard]] const std::vector<ServedKey>& list() const { return keys_; }
  // The same without their texts.
  [[nodiscard]] std::vector<ServedKey> take_rest() {
    wipe_all();
    return std::move(keys_);
  }

 private:
  void wipe_all() {
    for (ServedKey& key : keys_) {
      key.key.resize(key.key.capacity());
      wipe(std::as_writable_bytes(std::span(key.key)));
      key.key.clear();
    }
  }
  std::vector<ServedKey> keys_;
};

ServedKeys::ServedKeys(Read read, int root)
    : read_(std::move(read)), root_(root), salt_(make_salt()), known_(derive(read_texts(), salt_)) {}

ServedKeys::Texts ServedKeys::read_texts() const {
  Texts texts(read_());
  for (const ServedKey& key : texts.list()) static_cast<void>(open_directory(key));
  return texts;
}

// In a job of a loop it ends early when nobody wants it any more.
ServedKeys::Known ServedKeys::derive(Texts texts, const std::array<std::byte, kSaltSize>& salt) {
  Known known;
  std::vector<NamedPsk> psks;
  for (const ServedKey& key : texts.list()) {
    if (is_unwanted()) throw Error(Status::kSignal, "read the keys again", "the server stops");
    psks.push_back({key.name, Key(Secret(key.key)).psk(salt)});
    known.ids.push_back(key_id(psks.back().psk, salt));
  }
  known.listener = std::make_shared<const ListenerKeys>(salt, std::move(psks));
  known.keys = texts.take_rest();
  return known;
}

const ServedKey& ServedKeys::of(const Session& session) const {
  const auto found = std::ranges::find(known_.keys, session.key_name(), &ServedKey::name);
  if (found == known_.keys.end()) {
    throw Error(Status::kAuthentication, "be admitted", "the key is no longer known");
  }
  return *found;
}

Descriptor ServedKeys::open_directory(const ServedKey& key) const {
  const std::string name = key.directory.empty() ? "." : key.directory;
  Descriptor directory = Scope(root_).open(name, O_DIRECTORY);
  const bool is_overrun = !directory && (errno == EMFILE || errno == ENFILE);
  check(directory ? 0 : -1, is_overrun ? Status::kMemory : Status::kEndpoint,
        fmt::format("open '{}', the directory of key '{}'", name, key.name));
  return directory;
}

std::set<std::string> ServedKeys::take(Reload& reload) {
  reload.deriving_.take();
  std::set<std::string> names = changed(known_, *reload.known_);
  known_ = std::move(*reload.known_);
  return names;
}

std::set<std::string> ServedKeys::changed(const Known& before, const Known& now) {
  std::set<std::string> names;
  for (std::size_t i = 0; i < before.keys.size(); ++i) {
    const ServedKey& old = before.keys[i];
    const auto same = std::ranges::find(now.keys, old.name, &ServedKey::name);
    const bool is_same = same != now.keys.end() &&
                         now.ids[static_cast<std::size_t>(same - now.keys.begin())] == before.ids[i] &&
                         same->directory == old.directory && same->may_read == old.may_read &&
                         same->may_write == old.may_write;
    if (!is_same) names.insert(old.name);
  }
  return names;
}

ServedKeys::Reload::Reload(const ServedKeys& keys, Loop& loop) {
  const auto texts = std::make_shared<Texts>(keys.read_texts());  // a function is copied
  loop.run(deriving_, [known = known_, texts, salt = keys.salt_]() -> std::int64_t {
    *known = derive(std::move(*texts), salt);
    return 0;
  });
}

}  // namespace rdpipe
