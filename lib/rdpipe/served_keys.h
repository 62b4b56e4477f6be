// The keys of a server as they were last read: which of them a session has shown, and the directory of each.
// Of their texts nothing is left. Belongs to the server's thread.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "ground/descriptor.h"
#include "io/loop.h"
#include "rdpipe/serve.h"
#include "session/handshake.h"
#include "session/key.h"
#include "session/session.h"

namespace rdpipe {

class ServedKeys {
 public:
  using Read = std::function<std::vector<ServedKey>()>;
  // Reads them: 50 ms for each that is a passphrase. `root`, the server's directory, stays open. Throws what
  // `read` does, and Error{kEndpoint} where a key's directory cannot be opened.
  ServedKeys(Read read, int root);

  [[nodiscard]] std::size_t count() const { return known_.keys.size(); }
  [[nodiscard]] std::shared_ptr<const ListenerKeys> listener() const { return known_.listener; }
  // By name: keys may have been read again since the session began. Throws Error{kAuthentication}.
  [[nodiscard]] const ServedKey& of(const Session& session) const;
  [[nodiscard]] Descriptor open_directory(const ServedKey& key) const;

  class Reload;
  // Puts what was read again in the place of what there is, or throws what went wrong. Returns the names of
  // keys that are no longer what they were, or gone.
  [[nodiscard]] std::set<std::string> take(Reload& reload);

 private:
  struct Known {
    std::vector<ServedKey> keys{};  // without their texts
    std::vector<KeyId> ids{};       // in the same order
    std::shared_ptr<const ListenerKeys> listener{};
  };
  class Texts;
  [[nodiscard]] Texts read_texts() const;
  [[nodiscard]] static Known derive(Texts texts, const std::array<std::byte, kSaltSize>& salt);
  [[nodiscard]] static std::set<std::string> changed(const Known& before, const Known& now);

  Read read_;
  int root_;
  std::array<std::byte, kSaltSize> salt_;
  Known known_;
};

// Keys that are read again, while the server goes on with the old ones: what takes time is done by a worker.
class ServedKeys::Reload {
 public:
  // Throws what the constructor of ServedKeys does. Does not outlive `loop`.
  Reload(const ServedKeys& keys, Loop& loop);
  [[nodiscard]] bool done() const { return deriving_.done(); }

 private:
  friend class ServedKeys;
  std::shared_ptr<Known> known_ = std::make_shared<Known>();  // the worker's, until it is done
  Operation deriving_;
};

}  // namespace rdpipe
