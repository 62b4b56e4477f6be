// What a walk begins with: sources, the patterns among them, and the list of --files-from.
#include <glob.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "ground/error.h"
#include "tree/walk.h"

namespace rdpipe {
namespace {

bool exists(const std::string& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0;
}

std::vector<std::string> expand(const std::vector<std::string>& sources) {
  std::vector<std::string> all;
  for (const std::string& source : sources) {
    glob_t found{};
    if (is_pattern(source) && !exists(source) && ::glob(source.c_str(), GLOB_NOMAGIC, nullptr, &found) == 0) {
      for (std::size_t i = 0; i < found.gl_pathc; ++i) all.emplace_back(found.gl_pathv[i]);
    } else {
      all.push_back(source);
    }
    ::globfree(&found);
  }
  return all;
}

}  // namespace

Walk::Walk(std::vector<std::string> sources, const CopyOptions& options, DirectoryCache& cache)
    : sources_(options.globs ? expand(sources) : std::move(sources)),
      options_(options),
      cache_(cache),
      filters_(options.filters),
      choice_{options.acls, options.xattrs} {
  if (options.files_from) {
    if (sources_.size() != 1) {
      throw Error(Status::kUsage, "copy the files of a list",
                  "they need one source, the directory they are in");
    }
    list_.emplace(*options.files_from);
  }
  // What one source brings into a directory that another has too, the other's turn would delete.
  if (options.delete_extra && sources_.size() > 1 && std::ranges::any_of(sources_, stands_for_contents)) {
    throw Error(Status::kUsage, "delete what the sources do not have",
                "the contents of one source would meet another's in the destination",
                "copy them one by one, or without --delete");
  }
}

Walk::~Walk() = default;

}  // namespace rdpipe
