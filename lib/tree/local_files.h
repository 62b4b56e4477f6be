// Large files that a sender passes on to a receiver of the same process: instead of their content the open
// file, which the kernel copies. Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "ground/descriptor.h"

namespace rdpipe {

class LocalFiles {
 public:
  using File = std::shared_ptr<const Descriptor>;

  // The sender opens them faster than they are copied, and may not open as many as it likes: for each that it
  // is about to open it asks for room. False: there is none. Otherwise put() or release() follows.
  [[nodiscard]] bool reserve() {
    if (*open_ < kMost) return ++*open_ > 0;
    return false;
  }
  void release() { --*open_; }
  void put(std::uint64_t entry, Descriptor file) {
    File counted(new Descriptor(std::move(file)), [open = open_](const Descriptor* gone) {
      delete gone;
      --*open;
    });
    const std::lock_guard lock(mutex_);
    files_.insert_or_assign(entry, std::move(counted));
  }
  // Null where there is none. It counts as open until the last copy has gone.
  [[nodiscard]] File take(std::uint64_t entry) {
    const std::lock_guard lock(mutex_);
    auto node = files_.extract(entry);
    return node ? std::move(node.mapped()) : nullptr;
  }

 private:
  static constexpr int kMost = 64;

  std::shared_ptr<std::atomic<int>> open_ = std::make_shared<std::atomic<int>>(0);
  std::mutex mutex_;
  std::unordered_map<std::uint64_t, File> files_;
};

}  // namespace rdpipe
