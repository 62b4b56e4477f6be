#include "tree/partial.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string_view>

#include "seal/digest.h"
#include "tree/directory.h"

namespace rdpipe {
namespace {

constexpr std::string_view kPartialMark = ".rdpipe-partial";
constexpr std::size_t kMaxLeaf = 255;

// ".NAME.rdpipe-partial"; of a name that is too long, its digest.
std::string hidden_leaf(const std::string& name) {
  std::string leaf = "." + name + std::string(kPartialMark);
  if (leaf.size() > kMaxLeaf)
    leaf = "." + hex(digest_of(std::as_bytes(std::span(name)))) + std::string(kPartialMark);
  return leaf;
}

}  // namespace

PartialPlace partial_place(int directory, const std::string& name, const CopyOptions& options, bool create) {
  if (options.partial_dir.empty()) {
    return {Descriptor(::openat(directory, ".", O_PATH | O_DIRECTORY | O_CLOEXEC)), hidden_leaf(name)};
  }
  const std::string& path = options.partial_dir;
  const std::size_t trusted =
      path.starts_with('/') ? path.size() : 0;  // a symlink in the target may be the sender's
  Descriptor place = open_path(directory, path, trusted, create ? 0700 : 0);
  return {std::move(place), name};
}

void drop_partial_directory(int directory, const CopyOptions& options) {
  if (!options.partial_dir.empty() && !options.partial_dir.starts_with('/')) {
    ::unlinkat(directory, options.partial_dir.c_str(), AT_REMOVEDIR);
  }
}

bool is_partial_name(const std::string& name) {
  return name.starts_with('.') && name.ends_with(kPartialMark);
}

}  // namespace rdpipe
