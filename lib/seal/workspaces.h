// Memory for jobs on several threads: one for each that runs at once, kept for the next.
#pragma once

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace rdpipe {

template <typename Workspace>
class Workspaces {
 public:
  // Runs `work` with a workspace that nobody else has meanwhile. When it throws, the workspace goes.
  template <typename Work>
  auto with_one(Work work) {
    auto workspace = take();
    auto result = work(*workspace);
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(workspace));
    return result;
  }

 private:
  std::unique_ptr<Workspace> take() {
    {
      const std::lock_guard lock(mutex_);
      if (!idle_.empty()) {
        auto workspace = std::move(idle_.back());
        idle_.pop_back();
        return workspace;
      }
    }
    return std::make_unique<Workspace>();
  }

  std::mutex mutex_;
  std::vector<std::unique_ptr<Workspace>> idle_;
};

}  // namespace rdpipe
