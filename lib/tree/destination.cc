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
#include "tree/scope.h"

namespace rdpipe {
namespace {

class Resolver {
 public:
  Resolver(const std::string& path, const CopyOptions& options)
      : path_(path), options_(options), scope_(scope_of(options)) {
    exists_ = scope_.status(path, status_);
    if (!exists_ && errno != ENOENT) refuse(path, errno);
    if (exists_ && S_ISLNK(status_.st_mode)) refuse(path, ELOOP);  // confined: it may lead out
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
      if (!scope_.is_confined()) target = real_path(target);
    }
    const auto [directory, name] = split_path(target);
    struct stat above {};
    const bool there = scope_.status(directory, above);
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
    if (create) make(path);
    Descriptor fd = scope_.open(path, O_DIRECTORY);
    if (!fd) refuse(path, errno);
    Destination destination;
    destination.directory = std::make_shared<Directory>(std::move(fd), path, std::string(relative));
    destination.created = create;
    return destination;
  }

  void make(const std::string& path) const {
    if (options_.mkpath) {
      if (!scope_.make_all(without_slashes(path))) refuse(path, errno);
    } else if (!scope_.make(path) && errno != EEXIST) {  // another copy may just have made it
      refuse(path, errno, errno == ENOENT ? "--mkpath creates the directories above it" : "");
    }
  }
  [[noreturn]] void refuse(const std::string& path, int error, const std::string& hint = {}) const {
    throw Error(Status::kEndpoint, fmt::format("store '{}'", printable(path)), scope_.text_of(error), hint);
  }
  std::string real_path(const std::string& path) const {
    char* real = ::realpath(path.c_str(), nullptr);
    if (real == nullptr) refuse(path_, errno);
    std::string result = real;
    std::free(real);  // NOLINT: realpath() gives what malloc() gave
    return result;
  }

  std::string path_;
  const CopyOptions& options_;
  Scope scope_;
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
