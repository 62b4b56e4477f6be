#include "program.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include <rdpipe/error.h>

namespace rdpipe::tools {
namespace {

// 0, or why it is none.
int why_not(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) == -1) return errno;
  if (S_ISDIR(status.st_mode)) return EACCES;
  return ::access(path.c_str(), X_OK) == 0 ? 0 : errno;
}

// As posix_spawnp looks for it.
int why_not_in(std::string_view directories, const std::string& name) {
  int error = ENOENT;
  for (;;) {
    const auto colon = directories.find(':');
    const std::string directory(directories.substr(0, colon));
    const int here = why_not(directory.empty() ? name : fmt::format("{}/{}", directory, name));
    if (here == 0) return 0;
    if (here == EACCES) error = EACCES;
    if (colon == std::string_view::npos) return error;
    directories.remove_prefix(colon + 1);
  }
}

}  // namespace

void require_program(const std::string& name) {
  const bool is_path = name.find('/') != std::string::npos;
  const char* path = std::getenv("PATH");
  const int error = is_path ? why_not(name) : why_not_in(path != nullptr ? path : "/bin:/usr/bin", name);
  if (error == 0) return;
  throw Error(Status::kCommand, fmt::format("start '{}'", name), std::strerror(error),
              is_path || error != ENOENT ? "" : "is it installed, and in PATH?");
}

}  // namespace rdpipe::tools
