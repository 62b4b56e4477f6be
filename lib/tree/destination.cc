#include "tree/destination.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <utility>

#include "files/target.h"
#include "ground/error.h"

namespace rdpipe {
namespace {

[[noreturn]] void refuse(const std::string& path, int error, const std::string& hint = {}) {
  throw Error(Status::kEndpoint, fmt::format("store '{}'", printable(path)), errno_text(error), hint);
}

// As mkdir -p does: whatever the umask, we get into what we make.
void make_path(const std::string& path) {
  for (std::size_t at = 1; at != std::string::npos;) {
    at = path.find('/', at);
    const std::string part = path.substr(0, at);
    struct stat made {};
    if (::mkdir(part.c_str(), 0777) == -1) {
      if (errno != EEXIST) refuse(path, errno);
    } else if (::stat(part.c_str(), &made) == 0 && (made.st_mode & 0300) != 0300) {
      ::chmod(part.c_str(), (made.st_mode & 07777) | 0300);
    }
    if (at != std::string::npos) ++at;
  }
}

class Resolver {
 public:
  Resolver(const std::string& path, const CopyOptions& options) : path_(path), options_(options) {
    exists_ = ::stat(path.c_str(), &status_) == 0;
    if (!exists_ && errno != ENOENT) refuse(path, errno);
    is_directory_ = exists_ && S_ISDIR(status_.st_mode);
  }

  // `name`: what they are called at the sender, "." by no name.
  Destination contents(std::string_view name) const {
    if (exists_ && !is_directory_) refuse(path_, ENOTDIR);
    Destination destination = opened(path_, !exists_, name == "." ? "" : name);
    destination.itself = true;
    return destination;
  }

  Destination inside() const {
    if (exists_ && !is_directory_) refuse(path_, ENOTDIR);
    if (!exists_ && !options_.mkpath) refuse(path_, ENOENT, "--mkpath creates it");
    return opened(path_, !exists_);
  }

  Destination renamed(EntryType source) const {
    std::string target = without_slashes(path_);
    const bool source_is_directory = source == EntryType::kDirectory;
    if (exists_ && !is_directory_ && source_is_directory) refuse(path_, ENOTDIR);
    if (is_directory_ && !source_is_directory) refuse(path_, EISDIR);
    if (exists_ && source == EntryType::kFile) {
      if (!S_ISREG(status_.st_mode)) {
        throw Error(Status::kEndpoint, fmt::format("store '{}'", printable(path_)),
                    "it is a device, a FIFO or a socket",
                    "rdcp replaces files; rdsend and rdrecv write to these");
      }
      // Over what a symlink leads to, as `>` and cp do; but other things than files take the symlink's place.
      char* real = ::realpath(target.c_str(), nullptr);
      if (real == nullptr) refuse(path_, errno);
      target = real;
      std::free(real);  // NOLINT: realpath() gives what malloc() gave
    }
    const auto [directory, name] = split_path(target);
    struct stat above {};
    const bool there = ::stat(directory.c_str(), &above) == 0;
    if (!there && !options_.mkpath) refuse(path_, errno, "--mkpath creates the directories above it");
    Destination destination = opened(directory, !there);
    destination.created = false;
    destination.rename = name;
    return destination;
  }

  [[nodiscard]] bool is_directory() const { return is_directory_; }
  [[nodiscard]] bool exists() const { return exists_; }

 private:
  Destination opened(const std::string& path, bool create, std::string_view relative = {}) const {
    if (create && options_.dry_run) return {};
    if (create) options_.mkpath ? make_path(without_slashes(path)) : make_one(path);
    Descriptor fd(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!fd) refuse(path, errno);
    Destination destination;
    destination.directory = std::make_shared<Directory>(std::move(fd), path, std::string(relative));
    destination.created = create;
    return destination;
  }

  void make_one(const std::string& path) const {
    if (::mkdir(path.c_str(), 0777) == -1) {
      refuse(path, errno, errno == ENOENT ? "--mkpath creates the directories above it" : "");
    }
  }

  std::string path_;
  const CopyOptions& options_;
  struct stat status_ {};
  bool exists_ = false, is_directory_ = false;
};

}  // namespace

Destination resolve_destination(const std::string& given, const CopyOptions& options, std::uint64_t sources,
                                const EntryRecord& first) {
  const std::string path = given.empty() ? "." : given;
  const Resolver resolver(path, options);
  const bool is_directory = first.type == EntryType::kDirectory;
  if (first.name == ".") return resolver.contents(first.name);
  if (options.no_target_directory) {
    if (sources > 1) {
      throw Error(Status::kEndpoint, fmt::format("store '{}'", printable(path)),
                  "more than one source for one name");
    }
    // An existing directory takes a directory's contents.
    return resolver.is_directory() && is_directory ? resolver.contents(first.name)
                                                   : resolver.renamed(first.type);
  }
  if (resolver.is_directory()) return resolver.inside();
  const bool demanded = options.target_directory || sources > 1 || (path.ends_with('/') && !is_directory) ||
                        (path.ends_with('/') && (resolver.exists() || options.mkpath));
  return demanded ? resolver.inside() : resolver.renamed(first.type);
}

}  // namespace rdpipe
