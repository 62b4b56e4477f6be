#include "tree/writer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "files/kernel_copy.h"
#include "files/temporary.h"
#include "ground/secret.h"
#include "tree/content.h"

namespace rdpipe {
namespace {

constexpr int kAttempts = 100;

void check_call(int result, const char* attempt = "") {
  if (result == -1) throw EntryError{errno, attempt};
}

}  // namespace

bool is_fatal(const EntryError& error) {
  return (error.error == ENOSPC || error.error == EDQUOT) && error.attempt != kSetXattrs;
}

std::string cause_of(const EntryError& error) {
  return (error.attempt.empty() ? "" : error.attempt + ": ") + errno_text(error.error);
}

Writer::Writer(const CopyOptions& options, DirectoryCache& cache)
    : options_(options),
      cache_(cache),
      root_(is_root() && !options.unprivileged),
      umask_(options.umask ? static_cast<mode_t>(*options.umask) : umask_of_self()),
      groups_(options.unprivileged ? std::vector{::getegid()}
              : root_              ? std::vector<gid_t>()
                                   : groups_of_self()) {
  std::array<std::byte, sizeof seed_> random{};
  fill_random(random);
  std::memcpy(&seed_, random.data(), sizeof seed_);
}

DirectoryLease Writer::open(const std::shared_ptr<Directory>& directory) const {
  auto lease = cache_.open(directory);
  if (!lease) throw EntryError{errno};
  wrote(lease->get());
  return lease;
}

std::string Writer::temporary_name(const std::string& name) const {
  return temporary_name_for(name, seed_ + next_name_.fetch_add(1));
}

bool Writer::inherits_acl(TargetDirectory& where, int directory) const {
  if (const auto known = where.new_files.inherits()) return *known;
  const std::string path = fmt::format("/proc/self/fd/{}", directory);
  const bool inherits = ::getxattr(path.c_str(), "system.posix_acl_default", nullptr, 0) > 0;
  where.new_files.set_inherits(inherits);
  return inherits;
}

Writer::Birth Writer::birth_of(const WantedFile& wanted, int directory) const {
  const Attributes& attributes = wanted.attributes;
  if (!attributes.exact_mode) return {attributes.mode & 0777, true, !sets_owner()};
  Birth birth;
  const auto owner = wanted.directory->new_files.owner();
  const bool same_uid = owner && (!options_.owner || !root_ || *owner >> 32 == attributes.uid);
  const bool same_gid =
      owner && (!sets_group(attributes.gid) || static_cast<std::uint32_t>(*owner) == attributes.gid);
  birth.owner_is_final = !sets_owner() || (same_uid && same_gid);
  // Nobody's business before it has its owner.
  const bool plain = (attributes.mode & ~0777U) == 0 && (attributes.mode & umask_) == 0;
  birth.mode_is_final = birth.owner_is_final && plain && !inherits_acl(*wanted.directory, directory);
  if (birth.mode_is_final) birth.mode = attributes.mode;
  return birth;
}

Descriptor Writer::create(int directory, const WantedFile& wanted, mode_t mode,
                          std::string& temporary) const {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    temporary = temporary_name(wanted.name);
    Descriptor fd(
        ::openat(directory, temporary.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
    if (fd) return fd;
    if (errno != EEXIST) throw EntryError{errno};
  }
  throw EntryError{EEXIST, "find a temporary name"};
}

// A temporary that `fill` writes, and what makes a file of it.
template <typename Fill>
std::optional<EntryError> Writer::write_new(const WantedFile& wanted, Fill fill) const {
  const auto lease = open(wanted.directory->directory);
  const int directory = lease->get();
  for (int attempt = 0;; ++attempt) {
    std::string temporary;
    const Birth birth = birth_of(wanted, directory);
    Descriptor fd = create(directory, wanted, birth.mode, temporary);
    try {
      wrote(fd.get());
      fill(fd.get());
      auto lacking = set_new_attributes(fd.get(), wanted, birth);
      if (const int error = fd.close(); error != 0) throw EntryError{error, "write it"};
      put_in_place(wanted.directory->directory, directory, temporary, wanted.name);
      return lacking;
    } catch (const EntryError& error) {
      ::unlinkat(directory, temporary.c_str(), 0);
      // A sweep of another copy may have taken it for a left-over.
      if (error.error != ENOENT || attempt > 2) throw;
    }
  }
}

std::optional<EntryError> Writer::write_file(const WantedFile& wanted,
                                             std::span<const std::byte> content) const {
  return write_new(wanted, [&](int fd) {
    write_content(fd, content, wanted.sparse);
    if (options_.verify) verify_content(fd, content);
  });
}

std::optional<EntryError> Writer::copy_file(const WantedFile& wanted, int source,
                                            std::atomic<std::uint64_t>& done) const {
  struct stat before {
  }, after{};
  check_call(::fstat(source, &before));
  if (static_cast<std::uint64_t>(before.st_size) < wanted.size)
    throw EntryError{EAGAIN, "copy it: it has become shorter"};
  WantedFile now = wanted;
  now.attributes.seconds = before.st_mtim.tv_sec;
  now.attributes.nanoseconds = static_cast<std::uint32_t>(before.st_mtim.tv_nsec);
  return write_new(now, [&](int fd) {
    const int error = copy_in_kernel(source, fd, wanted.size, &done);
    if (error != 0) throw EntryError{error, "copy it"};
    check_call(::fstat(source, &after));
    if (was_rewritten(before, after)) throw EntryError{EAGAIN, "copy it: it changed while it was read"};
  });
}

void Writer::write_content(int fd, std::span<const std::byte> content, bool sparse) const {
  constexpr std::size_t kBlock = kPageSize;
  std::uint64_t at = 0;
  while (at < content.size()) {
    std::size_t length = content.size() - at;
    if (sparse) {
      const auto is_zero = [&](std::size_t from) {
        const auto block = content.subspan(from, std::min(kBlock, content.size() - from));
        return block.front() == std::byte{0} &&
               std::memcmp(block.data(), block.data() + 1, block.size() - 1) == 0;
      };
      if (is_zero(at)) {
        at += std::min(kBlock, content.size() - at);
        continue;
      }
      length = std::min(length, kBlock);
      while (at + length < content.size() && !is_zero(at + length)) {
        length = std::min(length + kBlock, content.size() - at);
      }
    }
    const ssize_t count = ::pwrite(fd, content.data() + at, length, static_cast<off_t>(at));
    if (count == -1 && errno == EINTR) continue;
    if (count <= 0) throw EntryError{count == 0 ? EIO : errno, "write it"};
    at += static_cast<std::uint64_t>(count);
  }
  if (sparse) check_call(::ftruncate(fd, static_cast<off_t>(content.size())), "write it");
}

// Read back from the medium: what the page cache holds is what was written into it.
void Writer::verify_content(int fd, std::span<const std::byte> content) const {
  check_call(::fdatasync(fd), "write it");
  ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
  std::vector<std::byte> read(content.size() + 1);
  const ssize_t count = ::pread(fd, read.data(), read.size(), 0);
  check_call(count == -1 ? -1 : 0, "read it back");
  read.resize(static_cast<std::size_t>(count));
  if (!std::ranges::equal(read, content)) throw EntryError{EIO, "verify it: what was read back differs"};
}

std::optional<EntryError> Writer::make_symlink(const std::shared_ptr<Directory>& where, int directory,
                                               const std::string& name, const std::string& target,
                                               const Attributes& attributes, bool fresh) const {
  if (fresh && ::symlinkat(target.c_str(), directory, name.c_str()) == 0) {
    return complete(directory, name, attributes);
  }
  const std::string temporary = temporary_name(name);
  check_call(::symlinkat(target.c_str(), directory, temporary.c_str()));
  return complete_in_place(where, directory, temporary, name, attributes);
}

std::optional<EntryError> Writer::make_special(const std::shared_ptr<Directory>& where, int directory,
                                               const std::string& name, mode_t type, dev_t device,
                                               const Attributes& attributes) const {
  const std::string temporary = temporary_name(name);
  const mode_t mode = attributes.exact_mode ? 0600 : attributes.mode & 0777;
  check_call(::mknodat(directory, temporary.c_str(), type | mode, device));
  return complete_in_place(where, directory, temporary, name, attributes);
}

std::optional<EntryError> Writer::complete(int directory, const std::string& name,
                                           const Attributes& attributes) const {
  struct stat now {};
  check_call(::fstatat(directory, name.c_str(), &now, AT_SYMLINK_NOFOLLOW));
  return update_attributes(directory, name, now, attributes);
}

std::optional<EntryError> Writer::complete_in_place(const std::shared_ptr<Directory>& where, int directory,
                                                    const std::string& temporary, const std::string& name,
                                                    const Attributes& attributes) const {
  try {
    auto lacking = complete(directory, temporary, attributes);
    put_in_place(where, directory, temporary, name);
    return lacking;
  } catch (const EntryError&) {
    ::unlinkat(directory, temporary.c_str(), 0);
    throw;
  }
}

bool Writer::make_link(int head_directory, const std::string& head, const std::shared_ptr<Directory>& where,
                       int directory, const std::string& name) const {
  struct stat first {
  }, second{};
  check_call(::fstatat(head_directory, head.c_str(), &first, AT_SYMLINK_NOFOLLOW),
             "find what it is a link to");
  const bool exists = ::fstatat(directory, name.c_str(), &second, AT_SYMLINK_NOFOLLOW) == 0;
  if (exists && first.st_dev == second.st_dev && first.st_ino == second.st_ino) return false;
  if (!exists && ::linkat(head_directory, head.c_str(), directory, name.c_str(), 0) == 0) return true;
  const std::string temporary = temporary_name(name);
  check_call(::linkat(head_directory, head.c_str(), directory, temporary.c_str(), 0));
  try {
    put_in_place(where, directory, temporary, name);
  } catch (const EntryError&) {
    ::unlinkat(directory, temporary.c_str(), 0);
    throw;
  }
  return true;
}

void Writer::put_in_place(const std::shared_ptr<Directory>& where, int directory,
                          const std::string& temporary, const std::string& name) const {
  make_way(where, directory, name);
  check_call(::renameat(directory, temporary.c_str(), directory, name.c_str()));
}

}  // namespace rdpipe
