#include "tree/directory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

namespace rdpipe {
namespace {

constexpr std::size_t kFewest = 16;
constexpr std::size_t kMost = 256;

// A quarter of what the process may have open.
std::size_t descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == -1) return kFewest;
  return std::clamp<std::size_t>(limit.rlim_cur / 4, kFewest, kMost);
}

}  // namespace

Directory::Directory(Descriptor fd, std::string path, std::string relative)
    : name_(std::move(path)),
      relative_(std::move(relative)),
      open_(std::make_shared<const Descriptor>(std::move(fd))) {}

Directory::Directory(std::shared_ptr<Directory> parent, std::string name, bool follow)
    : parent_(std::move(parent)), name_(std::move(name)), follow_(follow) {}

// One after another, not each within the other: a tree may be deeper than the stack.
Directory::~Directory() {
  auto above = std::move(parent_);
  while (above && above.use_count() == 1) {
    auto next = std::move(above->parent_);
    above = std::move(next);
  }
}

void Directory::show_as(std::string name, std::string shown) {
  renamed_ = std::move(name);
  shown_ = std::move(shown);
}

std::string_view Directory::shown(std::string_view name) const {
  return !renamed_.empty() && name == renamed_ ? std::string_view(shown_) : name;
}

std::string Directory::join(bool from_top) const {
  std::vector<const Directory*> chain;
  const Directory* root = this;
  for (; root->parent_; root = root->parent_.get()) chain.push_back(root);
  std::string path = from_top ? root->relative_ : root->name_;
  for (auto it = chain.rbegin(); it != chain.rend(); ++it) {
    if (!path.empty() && path.back() != '/') path += '/';
    path += from_top ? (*it)->parent_->shown((*it)->name_) : std::string_view((*it)->name_);
  }
  return path;
}

Descriptor open_path(int at, std::string_view path, std::size_t trusted, mode_t mode) {
  constexpr int kFlags = O_PATH | O_DIRECTORY | O_CLOEXEC;
  Descriptor directory(path.starts_with('/') ? ::open("/", kFlags) : ::openat(at, ".", kFlags));
  for (std::size_t from = 0; directory && from < path.size();) {
    const std::size_t end = std::min(path.find('/', from), path.size());
    const std::string part(path.substr(from, end - from));
    const int flags = kFlags | (from < trusted ? 0 : O_NOFOLLOW);
    from = end + 1;
    if (part.empty() || part == ".") continue;
    Descriptor next(::openat(directory.get(), part.c_str(), flags));
    if (!next && mode != 0 && errno == ENOENT) {
      const int made = ::mkdirat(directory.get(), part.c_str(), mode);
      if (made == -1 && errno != EEXIST) return {};  // another thread may just have made it
      next = Descriptor(::openat(directory.get(), part.c_str(), kFlags | O_NOFOLLOW));
      // A default ACL may have left its owner less than that.
      if (next && !open_to_owner(next.get())) return {};
    }
    directory = std::move(next);
  }
  return directory;
}

// By the descriptor: a name may be a symlink by now.
std::optional<mode_t> open_to_owner(int fd) {
  struct stat now {};
  if (::fstat(fd, &now) == -1) return {};
  const mode_t mode = now.st_mode & 07777U;
  if ((mode & S_IRWXU) == S_IRWXU) return mode;
  if (::chmod(fmt::format("/proc/self/fd/{}", fd).c_str(), mode | S_IRWXU) == -1) return {};
  return mode;
}

std::string Directory::path() const { return join(false); }
std::string Directory::relative() const { return join(true); }

std::string Directory::path_of(std::string_view name) const {
  std::string path = join(false);
  if (!path.empty() && path.back() != '/') path += '/';
  return path += name;
}

std::string Directory::relative_of(std::string_view name) const {
  std::string path = join(true);
  if (!path.empty()) path += '/';
  return path += shown(name);
}

DirectoryCache::DirectoryCache() : limit_(descriptor_limit()) {}

DirectoryLease DirectoryCache::open(const std::shared_ptr<Directory>& directory) {
  std::vector<std::shared_ptr<Directory>> missing;
  DirectoryLease lease;
  for (auto at = directory; !lease; at = at->parent_) {
    const std::lock_guard lock(mutex_);
    lease = at->open_;
    if (lease && at->cached_) recent_.splice(recent_.begin(), recent_, at->place_);
    if (!lease) missing.push_back(at);
  }
  for (auto it = missing.rbegin(); it != missing.rend() && lease; ++it) lease = open_child(lease, *it);
  return lease;
}

DirectoryLease DirectoryCache::open_child(const DirectoryLease& parent,
                                          const std::shared_ptr<Directory>& child) {
  const int no_follow = child->follow_ ? 0 : O_NOFOLLOW;
  Descriptor fd(::openat(parent->get(), child->name_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC | no_follow));
  struct stat status {};
  if (!fd || ::fstat(fd.get(), &status) == -1) return {};
  {
    const std::lock_guard lock(mutex_);
    if (child->known_ && (child->device_ != status.st_dev || child->inode_ != status.st_ino)) {
      errno = ESTALE;
      return {};
    }
    child->known_ = true;
    child->device_ = status.st_dev;
    child->inode_ = status.st_ino;
  }
  auto lease = std::make_shared<const Descriptor>(std::move(fd));
  remember(child, lease);
  return lease;
}

void DirectoryCache::remember(const std::shared_ptr<Directory>& directory, DirectoryLease lease) {
  std::vector<std::shared_ptr<Directory>> forgotten;  // let go of outside the lock
  const std::lock_guard lock(mutex_);
  if (directory->cached_) return;  // another thread was faster
  recent_.emplace_front(directory);
  directory->open_ = std::move(lease);
  directory->place_ = recent_.begin();
  directory->cached_ = true;
  while (recent_.size() > limit_) {
    if (auto oldest = recent_.back().lock()) {
      oldest->open_.reset();
      oldest->cached_ = false;
      forgotten.push_back(std::move(oldest));
    }
    recent_.pop_back();
  }
}

bool DirectoryCache::is_within(const Directory* directory, dev_t device, ino_t inode) {
  const std::lock_guard lock(mutex_);
  for (; directory != nullptr; directory = directory->parent_.get()) {
    if (directory->known_ && directory->device_ == device && directory->inode_ == inode) return true;
  }
  return false;
}

OpenedToOwner::OpenedToOwner(DirectoryCache& cache, std::shared_ptr<Directory> directory)
    : cache_(cache), directory_(std::move(directory)) {
  const auto lease = cache_.open(directory_);
  const auto mode = lease ? open_to_owner(lease->get()) : std::nullopt;
  if (mode && (*mode & S_IRWXU) != S_IRWXU) mode_ = mode;
}

OpenedToOwner::~OpenedToOwner() {
  if (!mode_) return;
  try {
    const auto lease = cache_.open(directory_);  // nothing where it was removed
    if (lease) ::chmod(fmt::format("/proc/self/fd/{}", lease->get()).c_str(), *mode_);
  } catch (...) {  // NOLINT(bugprone-empty-catch): without memory it stays open
  }
}

}  // namespace rdpipe
