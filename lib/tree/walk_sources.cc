// What a walk begins with: sources, the patterns among them, and the list of --files-from.
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <fnmatch.h>
#include <glob.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <utility>

#include "files/target.h"
#include "ground/error.h"
#include "tree/host.h"
#include "tree/walk.h"

namespace rdpipe {
namespace {

struct CloseListing {
  void operator()(DIR* listing) const { ::closedir(listing); }
};

// As glob(3), which knows no bounds: a pattern in the last component alone.
std::vector<std::string> glob_within(const Scope& scope, const std::string& pattern) {
  const auto [above, leaf] = split_path(pattern);
  const Descriptor directory = scope.open(above, O_DIRECTORY);
  const int fd = directory ? ::openat(directory.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
  const std::unique_ptr<DIR, CloseListing> listing(fd < 0 ? nullptr : ::fdopendir(fd));
  if (!listing) {
    if (fd >= 0) ::close(fd);
    return {};
  }
  const std::string in_front = above == "." ? "" : above + '/';
  std::vector<std::string> found;
  while (const dirent* entry = ::readdir(listing.get())) {
    const std::string name = entry->d_name;
    const bool is_match = ::fnmatch(leaf.c_str(), name.c_str(), FNM_PERIOD) == 0;
    if (is_match && name != "." && name != "..") found.push_back(in_front + name);
  }
  std::ranges::sort(found);
  return found;
}

std::vector<std::string> glob_anywhere(const std::string& pattern) {
  std::vector<std::string> found;
  glob_t names{};
  if (::glob(pattern.c_str(), GLOB_NOMAGIC, nullptr, &names) == 0) {
    for (std::size_t i = 0; i < names.gl_pathc; ++i) found.emplace_back(names.gl_pathv[i]);
  }
  ::globfree(&names);
  return found;
}

bool exists(const Scope& scope, const std::string& path) {
  const auto [above, leaf] = split_path(without_slashes(path));
  const Descriptor directory = scope.open(above, O_DIRECTORY);
  struct stat status {};
  return directory && ::fstatat(directory.get(), leaf.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0;
}

// Somebody else's patterns: each costs a listing, and all that they match is held at once.
constexpr std::size_t kMostPatterns = 1000, kMostNames = 100'000;

void require_bounded(std::size_t patterns, std::size_t names) {
  if (patterns <= kMostPatterns && names <= kMostNames) return;
  throw Error(Status::kUsage, "expand patterns",
              fmt::format("these are above {}, or match above {} names", kMostPatterns, kMostNames));
}

std::vector<std::string> expand(const Scope& scope, const std::vector<std::string>& sources) {
  std::vector<std::string> all;
  std::size_t patterns = 0;
  for (const std::string& source : sources) {
    std::vector<std::string> found;
    if (is_pattern(source) && !exists(scope, source)) {
      if (scope.is_confined()) require_bounded(++patterns, all.size());
      found = scope.is_confined() ? glob_within(scope, source) : glob_anywhere(source);
    }
    if (found.empty()) found.push_back(source);
    std::ranges::move(found, std::back_inserter(all));
  }
  return all;
}

}  // namespace

Walk::Walk(std::vector<std::string> sources, const CopyOptions& options, DirectoryCache& cache)
    : sources_(std::move(sources)),
      options_(options),
      scope_(scope_of(options)),
      cache_(cache),
      filters_(options.filters),
      choice_{options.acls, options.xattrs, options.unprivileged} {
  if (scope_.is_confined() && options.copy_links) {
    throw Error(Status::kUsage, "follow symlinks", "what lies outside of the shared directory is not shared");
  }
  if (options.files_from) list_.emplace(*options.files_from);
}

void Walk::begin() {
  if (options_.globs) sources_ = expand(scope_, sources_);
  if (list_ && sources_.size() != 1) {
    throw Error(Status::kUsage, "copy the files of a list",
                "they need one source, the directory they are in");
  }
  // What one source brings into a directory that another has too, the other's turn would delete.
  if (options_.delete_extra && sources_.size() > 1 && std::ranges::any_of(sources_, stands_for_contents)) {
    throw Error(Status::kUsage, "delete what the sources do not have",
                "the contents of one source would meet another's in the destination",
                "copy them one by one, or without --delete");
  }
  const bool lists = options_.hears_peer && options_.listed;
  append(BeginRecord{options_.hears_peer, lists, sources_.size(), this_host()}, batch_.records);
}

Walk::~Walk() = default;

}  // namespace rdpipe
