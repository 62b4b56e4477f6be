#include "tree/partial.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>
#include <utility>

#include "files/temporary.h"
#include "seal/digest.h"
#include "tree/directory.h"
#include "tree/scope.h"

namespace rdpipe {
namespace {

constexpr std::string_view kPartialMark = ".rdpipe-partial";
constexpr std::size_t kMaxLeaf = 255;

std::string digest_name(const std::string& text) { return hex(digest_of(std::as_bytes(std::span(text)))); }

// ".NAME.rdpipe-partial"; of a name that is too long, its digest.
std::string hidden_leaf(const std::string& name) {
  std::string leaf = "." + name + std::string(kPartialMark);
  if (leaf.size() > kMaxLeaf) leaf = "." + digest_name(name) + std::string(kPartialMark);
  return leaf;
}

// Whether files of several directories may have their parts there.
bool is_shared(const std::string& path) {
  return path.starts_with('/') || ("/" + path + "/").find("/../") != std::string::npos;
}

// Without what changes nothing in front of it or behind.
std::string plain_path(std::string path) {
  while (path.starts_with("./")) path.erase(0, 2);
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path;
}

// With the digest of its path where files of the same name meet.
std::string leaf_in(const std::string& path, const WantedFile& file) {
  if (!is_shared(path)) return hidden_leaf(file.name);
  return hidden_leaf(file.name + "." + digest_name(file.directory->directory->relative_of(file.name)));
}

bool shares_file_system(int first, int second) {
  struct stat one {
  }, other{};
  return ::fstat(first, &one) == 0 && ::fstat(second, &other) == 0 && one.st_dev == other.st_dev;
}

}  // namespace

PartialPlace partial_place(int directory, const WantedFile& file, const CopyOptions& options, bool create) {
  if (options.partial_dir.empty()) {
    return {Descriptor(::openat(directory, ".", O_PATH | O_DIRECTORY | O_CLOEXEC)), hidden_leaf(file.name)};
  }
  const std::string& path = options.partial_dir;
  const std::size_t trusted =
      path.starts_with('/') ? path.size() : 0;  // a symlink in the target may be the sender's
  Descriptor place = scope_of(options).directory(directory, path, trusted, create ? 0700 : 0);
  if (place && !shares_file_system(place.get(), directory)) return {Descriptor(), {}, true};
  return {std::move(place), leaf_in(path, file)};
}

std::shared_ptr<const Descriptor> open_part(const PartialPlace& place) {
  if (!place.directory) return nullptr;
  constexpr int kFlags = O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
  Descriptor fd(::openat(place.directory.get(), place.leaf.c_str(), kFlags));
  struct stat now {};
  if (!fd || ::fstat(fd.get(), &now) == -1 || !may_keep_in(now) || now.st_size == 0) return nullptr;
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) == -1 && errno == EWOULDBLOCK) return nullptr;
  return std::make_shared<const Descriptor>(std::move(fd));
}

void drop_partial_directory(int directory, const NameSet& names, const CopyOptions& options) {
  const std::string path = plain_path(options.partial_dir);
  if (path.empty() || is_shared(path)) return;  // others may be about to use it
  if (names.contains(path.substr(0, path.find('/')))) return;
  const auto slash = path.rfind('/');
  const std::string above = slash == std::string::npos ? "." : path.substr(0, slash);
  const Descriptor parent = open_path(directory, above, 0, 0);
  if (parent) ::unlinkat(parent.get(), path.substr(slash + 1).c_str(), AT_REMOVEDIR);
}

bool is_partial_name(const std::string& name, bool is_directory, const CopyOptions& options) {
  if (!is_directory) return name.starts_with('.') && name.ends_with(kPartialMark);
  return !options.partial_dir.empty() && name == plain_path(options.partial_dir);
}

}  // namespace rdpipe
