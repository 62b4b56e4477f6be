// Large files that a sender passes on to a receiver of the same process: instead of their content the open
// file, which the kernel copies. Thread-safe.
#pragma once

#include <cstdint>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "ground/descriptor.h"

namespace rdpipe {

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

 private:
  std::mutex mutex_;
  std::unordered_map<std::uint64_t, Descriptor> files_;
};

}  // namespace rdpipe
