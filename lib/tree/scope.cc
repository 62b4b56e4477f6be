#include "tree/scope.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <string_view>

#include "files/target.h"
#include "ground/error.h"
#include "tree/directory.h"

namespace rdpipe {
namespace {

constexpr int kPath = O_PATH | O_CLOEXEC;

bool leads_up(std::string_view path) {
  for (std::size_t from = 0; from <= path.size();) {
    const std::size_t end = std::min(path.find('/', from), path.size());
    if (path.substr(from, end - from) == "..") return true;
    from = end + 1;
  }
  return false;
}

// Relative to the directory that confines it.
std::string below(const std::string& path) {
  const auto begin = path.find_first_not_of('/');
  return begin == std::string::npos ? "." : without_slashes(path.substr(begin));
}

}  // namespace

Descriptor Scope::open(const std::string& path, int flags) const {
  if (!is_confined_) return Descriptor(::open(path.c_str(), kPath | flags));
  if (leads_up(path)) {
    errno = EXDEV;
    return {};
  }
  const auto [above, leaf] = split_path(below(path));
  const Descriptor directory = open_path(beneath_, above, 0, 0);
  if (!directory) return {};
  return Descriptor(::openat(directory.get(), leaf.empty() ? "." : leaf.c_str(), kPath | flags | O_NOFOLLOW));
}

std::string Scope::text_of(int error) const {
  if (is_confined_ && error == EXDEV) return "no '..' is followed there";
  if (is_confined_ && error == ELOOP) return "it is a symlink, and none is followed there";
  return errno_text(error);
}

Descriptor Scope::directory(int from, const std::string& path, std::size_t trusted, mode_t mode) const {
  if (!is_confined_) return open_path(from, path, trusted, mode);
  if (leads_up(path)) {
    errno = EXDEV;
    return {};
  }
  const bool from_scope = path.starts_with('/') || from == AT_FDCWD;
  return open_path(from_scope ? beneath_ : from, below(path), 0, mode);
}

bool Scope::status(const std::string& path, struct stat& status) const {
  if (!is_confined_) return ::stat(path.c_str(), &status) == 0;
  const Descriptor fd = open(path, 0);
  return fd && ::fstat(fd.get(), &status) == 0;
}

bool Scope::make(const std::string& path) const {
  if (!is_confined_) return ::mkdir(path.c_str(), 0777) == 0;
  const auto [above, leaf] = split_path(below(path));
  const Descriptor directory = open(above, O_DIRECTORY);
  return directory && ::mkdirat(directory.get(), leaf.c_str(), 0777) == 0;
}

bool Scope::make_all(const std::string& path) const {
  if (is_confined_) {
    if (leads_up(path)) errno = EXDEV;
    return !leads_up(path) && static_cast<bool>(open_path(beneath_, below(path), 0, 0777));
  }
  for (std::size_t at = 1; at != std::string::npos;) {
    at = path.find('/', at);
    const std::string part = path.substr(0, at);
    struct stat made {};
    if (::mkdir(part.c_str(), 0777) == -1) {
      if (errno != EEXIST) return false;
    } else if (::stat(part.c_str(), &made) == 0 && (made.st_mode & 0300) != 0300) {
      ::chmod(part.c_str(), (made.st_mode & 07777) | 0300);
    }
    if (at != std::string::npos) ++at;
  }
  return true;
}

}  // namespace rdpipe
