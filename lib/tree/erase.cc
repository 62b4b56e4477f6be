#include "tree/erase.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "io/workers.h"

namespace rdpipe {

bool list_directory(int directory, std::vector<NamedEntry>& into) {
  const int fd = ::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd == -1) return false;
  DIR* listing = ::fdopendir(fd);
  if (listing == nullptr) {
    ::close(fd);
    return false;
  }
  errno = 0;
  while (const dirent* found = is_unwanted() ? nullptr : ::readdir(listing)) {
    const bool dots = std::strcmp(found->d_name, ".") == 0 || std::strcmp(found->d_name, "..") == 0;
    if (dots) continue;
    bool is_directory = found->d_type == DT_DIR;
    struct stat status {};
    if (found->d_type == DT_UNKNOWN && ::fstatat(fd, found->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0) {
      is_directory = S_ISDIR(status.st_mode);
    }
    into.push_back({found->d_name, is_directory});
    errno = 0;
  }
  const int error = errno;
  ::closedir(listing);
  errno = error;
  return error == 0;
}

bool Eraser::may() {
  if (voice_.budget == nullptr) return true;
  for (std::uint64_t left = voice_.budget->load(); left > 0;) {
    if (voice_.budget->compare_exchange_weak(left, left - 1)) return true;
  }
  ++counts_.kept;
  return false;
}

bool Eraser::remove(const std::shared_ptr<Directory>& directory, const std::string& name, bool is_directory) {
  const auto lease = cache_.open(directory);
  return lease && ::unlinkat(lease->get(), name.c_str(), is_directory ? AT_REMOVEDIR : 0) == 0;
}

bool Eraser::erase_one(const std::shared_ptr<Directory>& directory, const std::string& name,
                       bool is_directory) {
  if (!may()) return false;
  // A directory has no backup: those of its files are in place.
  const bool moves = voice_.set_aside && !is_directory;
  const bool gone =
      voice_.dry_run || (moves ? voice_.set_aside(directory, name) : remove(directory, name, is_directory));
  if (!gone) return fail(directory, name, moves ? "back it up" : "delete it"), false;
  ++counts_.deleted;
  if (voice_.tell) voice_.tell(directory, name, is_directory);
  return true;
}

bool Eraser::spares(const std::shared_ptr<Directory>& directory, const std::string& name,
                    bool is_directory) const {
  if (voice_.spares && voice_.spares(directory, name, is_directory)) return true;
  return is_directory && voice_.one_file_system && is_mounted(directory, name);
}

// Whether another file system is there. What cannot be looked at is none of this one.
bool Eraser::is_mounted(const std::shared_ptr<Directory>& directory, const std::string& name) const {
  struct stat parent {
  }, itself{};
  const auto lease = cache_.open(directory);
  return !lease || ::fstat(lease->get(), &parent) == -1 ||
         ::fstatat(lease->get(), name.c_str(), &itself, AT_SYMLINK_NOFOLLOW) == -1 ||
         itself.st_dev != parent.st_dev;
}

void Eraser::fail(const std::shared_ptr<Directory>& directory, const std::string& name, const char* attempt) {
  const int error = errno;
  ++counts_.failed;
  if (voice_.fail) voice_.fail(directory, name, attempt, error);
}

Eraser::Level Eraser::enter(const std::shared_ptr<Directory>& parent, const std::string& name) {
  Level level{parent, std::make_shared<Directory>(parent, name, false), name};
  if (voice_.opens) level.opened = std::make_unique<OpenedToOwner>(cache_, level.directory);
  const auto lease = cache_.open(level.directory);
  level.whole = lease && list_directory(lease->get(), level.entries);
  if (!level.whole) fail(parent, name, "list it");
  return level;
}

// Depth first, with a stack of its own: a tree may be deeper than the thread's.
bool Eraser::erase(const std::shared_ptr<Directory>& top, const std::string& top_name,
                   bool top_is_directory) {
  if (spares(top, top_name, top_is_directory)) return false;
  if (!top_is_directory) return erase_one(top, top_name, false);
  std::vector<Level> levels;
  levels.push_back(enter(top, top_name));
  bool gone = false;  // the last directory that was left
  while (!levels.empty() && !is_unwanted()) {
    Level& level = levels.back();
    if (!level.entries.empty()) {
      const NamedEntry entry = std::move(level.entries.back());
      level.entries.pop_back();
      if (spares(level.directory, entry.name, entry.is_directory)) {
        level.whole = false;
      } else if (entry.is_directory) {
        levels.push_back(enter(level.directory, entry.name));
      } else {
        level.whole = erase_one(level.directory, entry.name, false) && !voice_.backups_stay && level.whole;
      }
      continue;
    }
    gone = level.whole && erase_one(level.parent, level.name, true);
    levels.pop_back();
    if (!levels.empty()) levels.back().whole = levels.back().whole && gone;
  }
  const bool whole = levels.empty() && gone;
  while (!levels.empty()) levels.pop_back();  // each has its mode again before what it lies in
  return whole;
}

}  // namespace rdpipe
