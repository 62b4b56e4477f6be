#include "tree/removal.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "ground/error.h"
#include "io/workers.h"

namespace rdpipe {
namespace {

constexpr std::size_t kRemovalsOfJob = 256;

}  // namespace

SourceRemovals::SourceRemovals(std::shared_ptr<DirectoryCache> cache, bool follow)
    : cache_(std::move(cache)), follow_(follow) {}

void SourceRemovals::add(const SourceItem& item) {
  if (!is_kept(item.number)) items_.push_back(item);
}

void SourceRemovals::keep(std::uint64_t entry) {
  if (entry >= kept_.size()) kept_.resize(entry + 1);
  kept_[entry] = true;
}

std::uint64_t SourceRemovals::run(Loop& loop, const std::function<void(const std::string& line)>& tell) {
  const auto items = std::exchange(items_, {});
  std::uint64_t failed = 0;
  std::span<const SourceItem> left = items;
  while (!left.empty()) {
    const auto batch = left.first(std::min(left.size(), kRemovalsOfJob));
    left = left.subspan(batch.size());
    std::vector<std::string> lines;
    Operation removing;
    loop.run(removing, [&]() -> std::int64_t { return lines = remove(batch), 0; });
    while (!removing.done()) loop.wait();
    removing.take();
    failed += lines.size();
    for (const std::string& line : lines) {
      if (tell) tell(line);
    }
  }
  return failed;
}

// On a worker. A line for each that could not be removed.
std::vector<std::string> SourceRemovals::remove(std::span<const SourceItem> items) {
  std::vector<std::string> lines;
  for (const SourceItem& item : items) {
    if (is_unwanted()) break;
    if (is_kept(item.number) || (item.head && is_kept(*item.head))) continue;
    const std::string cause = remove(item);
    if (cause.empty()) continue;
    lines.push_back(fmt::format("remove '{}': {}", printable(item.directory->path_of(item.name)), cause));
  }
  return lines;
}

bool SourceRemovals::is_target(std::uint64_t entry, FileIdentity source) const {
  const auto found = targets_.find(entry);
  return found != targets_.end() && found->second == source;
}

// Why it could not; empty when it is gone.
std::string SourceRemovals::remove(const SourceItem& item) {
  if (is_target(item.number, item.identity) || (item.head && is_target(*item.head, item.identity))) {
    return "it is its own copy, and stays";
  }
  const auto lease = cache_->open(item.directory);
  struct stat now {
  }, itself{};
  const bool is_it = lease && ::fstatat(lease->get(), item.name.c_str(), &itself, AT_SYMLINK_NOFOLLOW) == 0 &&
                     FileIdentity{itself.st_dev, itself.st_ino} == item.identity;
  const auto remove_it = [&] {
    return ::unlinkat(lease->get(), item.name.c_str(), 0) == 0 ? "" : errno_text(errno);
  };
  const int flags = follow_ ? 0 : AT_SYMLINK_NOFOLLOW;
  if (!lease || ::fstatat(lease->get(), item.name.c_str(), &now, flags) == -1) {
    if (errno != ENOENT) return errno_text(errno);
    // A symlink to what was a source itself, and has gone; or somebody else has removed it.
    return follow_ && is_it ? remove_it() : "";
  }
  const bool is_file = item.kind == SourceItem::Kind::kFile;
  const bool unchanged = is_it && now.st_mtim.tv_sec == item.seconds &&
                         now.st_mtim.tv_nsec == item.nanoseconds &&
                         (!is_file || static_cast<std::uint64_t>(now.st_size) == item.size);
  if (!unchanged) return "it changed meanwhile and stays";
  return remove_it();
}

}  // namespace rdpipe
