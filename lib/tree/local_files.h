// What a sender and a receiver of the same process share. Large files: instead of their content the open file
// is passed on, and the kernel copies it. What was there already at an entry's target: it may be the source
// itself, which then must not be removed. Thread-safe.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "ground/descriptor.h"

namespace rdpipe {

struct FileIdentity {
  dev_t device = 0;
  ino_t inode = 0;
  bool operator==(const FileIdentity&) const = default;
};

class LocalFiles {
 public:
  void put(std::uint64_t entry, Descriptor file) {
    const std::lock_guard lock(mutex_);
    files_.insert_or_assign(entry, std::move(file));
  }
  [[nodiscard]] Descriptor take(std::uint64_t entry) {
    const std::lock_guard lock(mutex_);
    auto node = files_.extract(entry);
    return node ? std::move(node.mapped()) : Descriptor();
  }
  // The target of an entry that is to be removed at the sender.
  void put_target(std::uint64_t entry, FileIdentity target) {
    const std::lock_guard lock(mutex_);
    targets_.insert_or_assign(entry, target);
  }
  [[nodiscard]] bool is_target(std::uint64_t entry, FileIdentity source) const {
    const std::lock_guard lock(mutex_);
    const auto found = targets_.find(entry);
    return found != targets_.end() && found->second == source;
  }

 private:
  mutable std::mutex mutex_;
  std::unordered_map<std::uint64_t, Descriptor> files_;
  std::unordered_map<std::uint64_t, FileIdentity> targets_;
};

}  // namespace rdpipe
