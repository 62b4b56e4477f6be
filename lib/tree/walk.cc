#include "tree/walk.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "files/target.h"
#include "ground/error.h"
#include "io/workers.h"
#include "tree/partial.h"

namespace rdpipe {
namespace {

EntryType type_of(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFDIR:
      return EntryType::kDirectory;
    case S_IFLNK:
      return EntryType::kSymlink;
    case S_IFIFO:
      return EntryType::kFifo;
    case S_IFSOCK:
      return EntryType::kSocket;
    case S_IFCHR:
      return EntryType::kCharacter;
    case S_IFBLK:
      return EntryType::kBlock;
    default:
      return EntryType::kFile;
  }
}

bool is_dot_name(const char* name) {
  return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

std::string quoted(const std::string& path) { return fmt::format("'{}'", printable(path)); }

}  // namespace

WalkBatch Walk::next(std::size_t entries) {
  batch_ = {};
  if (!std::exchange(begun_, true)) begin();
  const std::uint64_t until = counts_.entries + entries;
  // Names that are read and not listed count too: a batch must not take for ever.
  for (std::size_t steps = 0; counts_.entries < until && steps < 4 * entries && !is_unwanted(); ++steps) {
    if (!levels_.empty()) {
      advance();
    } else if (next_source_ < sources_.size()) {
      begin_source(sources_[next_source_++]);
    } else {
      batch_.ended = true;
      break;
    }
  }
  return std::move(batch_);
}

void Walk::begin_source(const std::string& source) {
  if (stands_for_contents(source) || options_.files_from) return begin_contents(source);
  const auto [path, name] = split_path(without_slashes(source));
  Descriptor fd = scope_.open(path, O_DIRECTORY);
  if (!fd) return fail_errno(source, errno);
  const bool plain = path == "." && !source.starts_with("./");
  auto directory = std::make_shared<Directory>(std::move(fd), plain ? "" : path, "");
  visit({directory, cache_.open(directory)->get(), 0, nullptr}, name);
}

void Walk::begin_contents(const std::string& source) {
  const std::string path = source.empty() ? "." : source;
  Descriptor fd = scope_.open(path, 0);
  struct stat status {};
  if (!fd || ::fstat(fd.get(), &status) == -1) return fail_errno(source, errno);
  if (!S_ISDIR(status.st_mode)) return fail_errno(source, ENOTDIR);
  if (!options_.recursive && !options_.files_from) {
    return fail(source, "is a directory (not copied without -r)");
  }
  auto directory = std::make_shared<Directory>(std::move(fd), path, "");
  const Place place{directory, cache_.open(directory)->get(), 0, nullptr};
  EntryRecord entry;
  entry.type = EntryType::kDirectory;
  entry.name = ".";
  fill_common(place, ".", status, entry);
  list(entry);
  Level level{.directory = directory, .number = next_directory_++, .device = status.st_dev};
  const bool whole = !list_ || (list_->top().listed && options_.recursive);
  if (!whole) level.only = &list_->top();
  levels_.push_back(std::move(level));
}

// The next step in the deepest directory: a name that is no directory, then the directories, then its end.
void Walk::advance() {
  Level& level = levels_.back();
  if (!level.begun && !begin_level(level)) return end_level();
  const auto lease = cache_.open(level.directory);
  if (!lease) {
    lose(level, errno);
    return end_level();
  }
  const Place place{level.directory, lease->get(), level.number, nullptr};
  bool is_directory = false;
  if (auto name = next_name(level, is_directory)) {
    if (is_directory) {
      level.directories.push_back(std::move(*name));
    } else {
      visit({place.directory, place.fd, place.number, wanted_below(level, *name)}, *name);
    }
  } else if (level.entered < level.directories.size()) {
    const std::string below = std::move(level.directories[level.entered++]);
    visit({place.directory, place.fd, place.number, wanted_below(level, below)}, below);
  } else {
    end_level();
  }
}

bool Walk::begin_level(Level& level) {
  level.begun = true;
  if (level.only != nullptr) {
    level.at = level.only->below.begin();
    level.complete = false;  // the rest of it was not asked about
    return true;
  }
  const auto lease = cache_.open(level.directory);
  const int fd = lease ? ::openat(lease->get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
  if (fd >= 0) level.listing.reset(::fdopendir(fd));
  if (level.listing) return true;
  lose(level, errno);
  if (fd >= 0) ::close(fd);
  return false;
}

const Walk::Wanted* Walk::wanted_below(const Level& level, const std::string& name) const {
  return level.only == nullptr ? nullptr : &level.only->below.at(name);
}

// The next name of the listing; `is_directory` as far as the listing says so.
std::optional<std::string> Walk::next_name(Level& level, bool& is_directory) {
  if (level.only != nullptr) {
    if (level.at == level.only->below.end()) return {};
    const auto& [name, wanted] = *level.at++;
    is_directory = !wanted.below.empty();
    return name;
  }
  while (level.listing) {
    errno = 0;
    const dirent* found = ::readdir(level.listing.get());
    if (found == nullptr) {
      if (errno != 0) {
        fail_errno(level.directory->path(), errno);
        read_error_ = true;
      }
      level.listing.reset();
      level.seen.clear();
      return {};
    }
    if (is_dot_name(found->d_name)) continue;
    if (!level.seen.insert(found->d_name)) continue;  // some file systems tell twice what moves meanwhile
    is_directory = found->d_type == DT_DIR;
    return std::string(found->d_name);
  }
  return {};
}

void Walk::visit(const Place& place, const std::string& name) {
  struct stat status {};
  if (::fstatat(place.fd, name.c_str(), &status, follows(place) ? 0 : AT_SYMLINK_NOFOLLOW) == -1) {
    const int error = errno;
    const std::string path = place.directory->path_of(name);
    struct stat link {};
    const bool dangles = ::fstatat(place.fd, name.c_str(), &link, AT_SYMLINK_NOFOLLOW) == 0;
    if (dangles) return leave_out(place, name, ""), fail(path, "the symlink leads nowhere");
    if (error != ENOENT || place.number == 0 || place.wanted != nullptr)
      return read_error_ = true, fail_errno(path, error);
    return vanish(path);
  }
  const bool is_directory = S_ISDIR(status.st_mode);
  if (!is_directory && is_on_the_way(place.wanted)) {
    fail_below(place, name);
    if (!place.wanted->listed) return;
    if (!options_.copy_links && ::fstatat(place.fd, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == -1)
      return fail_errno(place.directory->path_of(name), errno);
  }
  if (!filters_.empty() && filters_.excludes(place.directory->relative_of(name), is_directory)) return;
  // To the receiver it would be what it has of another file.
  if (place.number != 0 && keeps_partial(options_) && is_partial_name(name, is_directory, options_)) {
    return leave_out(place, name,
                     is_directory ? "holds parts of files (left out)" : "is a part of a file (left out)");
  }
  // A listing that tells no types: its directories still come last.
  if (is_directory && !levels_.empty() && levels_.back().entered == 0 && place.number != 0 &&
      (levels_.back().listing || levels_.back().only != nullptr)) {
    const bool still_listing =
        levels_.back().listing || levels_.back().at != levels_.back().only->below.end();
    if (still_listing) return levels_.back().directories.push_back(name);
  }
  if (is_directory) return visit_directory(place, name, status);
  visit_other(place, name, status);
}

// Of --files-from: a symlink on the way to what is listed stands for its directory, as in rsync; confined, it
// is none.
bool Walk::follows(const Place& place) const {
  return !scope_.is_confined() && (options_.copy_links || is_on_the_way(place.wanted));
}

// Names are listed beneath what is no directory.
void Walk::fail_below(const Place& place, const std::string& name) {
  for (const auto& [below, wanted] : place.wanted->below) {
    fail_errno(fmt::format("{}/{}", place.directory->path_of(name), below), ENOTDIR);
  }
}

void Walk::visit_directory(const Place& place, const std::string& name, const struct stat& status) {
  const std::string path = place.directory->path_of(name);
  if (!options_.recursive && !options_.files_from) {
    return fail(path, "is a directory (not copied without -r)");
  }
  if (options_.copy_links && cache_.is_within(place.directory.get(), status.st_dev, status.st_ino)) {
    return leave_out(place, name, ""), fail(path, "the symlink leads to a directory above it");
  }
  if (options_.skip_mount_points && crosses(place, status)) return leave_out(place, name, "");
  EntryRecord entry;
  entry.type = EntryType::kDirectory;
  entry.name = name;
  entry.parent = place.number;
  fill_common(place, name, status, entry);
  list(entry);
  const Wanted* only = nullptr;
  const std::uint64_t number = next_directory_++;
  auto directory = std::make_shared<Directory>(place.directory, name, follows(place));
  if (!enters(place, status, only)) {
    batch_.items.push_back({.kind = SourceItem::Kind::kDirectoryEnd, .number = number});
    return;
  }
  Level level{.directory = std::move(directory), .number = number, .device = status.st_dev};
  level.only = only;
  levels_.push_back(std::move(level));
}

// Of -x: whether a directory is on another file system than the one it is in. What is listed is copied
// wherever it is, as in rsync.
bool Walk::crosses(const Place& place, const struct stat& status) const {
  if (!options_.one_file_system || place.wanted != nullptr || levels_.empty()) return false;
  return status.st_dev != levels_.back().device;
}

bool Walk::enters(const Place& place, const struct stat& status, const Wanted*& only) const {
  if (crosses(place, status)) return false;
  if (place.wanted == nullptr) return true;
  const bool whole = place.wanted->listed && options_.recursive;
  if (!whole) only = place.wanted;
  return true;
}

void Walk::visit_other(const Place& place, const std::string& name, const struct stat& status) {
  EntryRecord entry;
  entry.type = type_of(status.st_mode);
  entry.name = name;
  entry.parent = place.number;
  const bool is_device = entry.type == EntryType::kCharacter || entry.type == EntryType::kBlock;
  const bool is_special = entry.type == EntryType::kFifo || entry.type == EntryType::kSocket;
  if ((is_device && !options_.devices) || (is_special && !options_.specials)) {
    return leave_out(
        place, name,
        is_device ? "is a device (left out without -D)" : "is a FIFO or socket (left out without -D)");
  }
  if (entry.type == EntryType::kSymlink && !fill_symlink(place, name, entry)) return;
  if (is_device) {
    entry.device_major = major(status.st_rdev);
    entry.device_minor = minor(status.st_rdev);
  }
  if (entry.type == EntryType::kFile) {
    entry.size = static_cast<std::uint64_t>(status.st_size);
    entry.has_holes = status.st_blocks * 512 < status.st_size;
  }
  if (options_.hard_links && status.st_nlink > 1) fill_hard_link(status, entry);
  fill_common(place, name, status, entry);
  if (options_.checksum && entry.has_content()) fill_digest(place, name, status, entry);
  SourceItem item{.kind = SourceItem::Kind::kPlain, .number = counts_.entries, .directory = place.directory};
  if (entry.head) item.kind = SourceItem::Kind::kLink;
  if (entry.has_content()) item.kind = SourceItem::Kind::kFile;
  item.is_asked_for = entry.type == EntryType::kFile;
  item.incomplete = entry.lacks_xattrs;
  item.name = name;
  item.size = entry.size;
  item.seconds = entry.seconds;
  item.nanoseconds = entry.nanoseconds;
  item.head = entry.head;
  item.identity = {status.st_dev, status.st_ino};
  struct stat itself {};
  if (options_.copy_links && options_.remove_source_files &&
      ::fstatat(place.fd, name.c_str(), &itself, AT_SYMLINK_NOFOLLOW) == 0) {
    item.identity = {itself.st_dev, itself.st_ino};
  }
  list(entry);
  if (item.kind != SourceItem::Kind::kPlain || options_.remove_source_files)
    batch_.items.push_back(std::move(item));
}

void Walk::list(const EntryRecord& entry) {
  append(entry, batch_.records);
  counts_.add(entry);
}

void Walk::end_level() {
  const Level& level = levels_.back();
  batch_.items.push_back({.kind = SourceItem::Kind::kDirectoryEnd,
                          .complete = level.complete && !read_error_,
                          .number = level.number});
  levels_.pop_back();
}

// Of an entry that is there and is not copied: it must not count as gone.
void Walk::leave_out(const Place& place, const std::string& name, const std::string& why) {
  append(KeepRecord{place.number, name}, batch_.records);
  if (!why.empty())
    batch_.lines.push_back(fmt::format("{}: {}", quoted(place.directory->path_of(name)), why));
}

// A directory that cannot be read (any more). One that has gone is no reason to delete nothing elsewhere.
void Walk::lose(Level& level, int error) {
  level.complete = false;
  if (error == ENOENT && level.directory->parent() && level.only == nullptr) {
    return vanish(level.directory->path());
  }
  fail_errno(level.directory->path(), error);
  read_error_ = true;
}

void Walk::vanish(const std::string& path) {
  ++counts_.vanished;
  batch_.lines.push_back(fmt::format("{}: it vanished before it was read", quoted(path)));
}

void Walk::fail(const std::string& path, const std::string& cause) {
  ++counts_.failed;
  batch_.lines.push_back(fmt::format("{}: {}", quoted(path), cause));
}

void Walk::fail_errno(const std::string& path, int error) { fail(path, scope_.text_of(error)); }

}  // namespace rdpipe
