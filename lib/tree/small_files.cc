#include "tree/small_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "ground/error.h"
#include "io/workers.h"
#include "tree/content.h"

namespace rdpipe {
namespace {

constexpr std::size_t kMaxPlainRecord = 32;  // bytes of a LINK or DIRECTORY_END
constexpr std::size_t kMaxLocalRecord = kMaxFileHead;
constexpr int kMaxReadings = 4;  // of a file that is rewritten all the while

class FrameWriter {
 public:
  // `kept`: bytes of the frame that all of the items may need.
  FrameWriter(std::span<std::byte> frame, std::size_t used, std::size_t kept, bool follow,
              DirectoryCache& cache, LocalFiles* local)
      : frame_(frame), kept_(kept), no_follow_(follow ? 0 : O_NOFOLLOW), cache_(cache), local_(local) {
    content_.size = used;
  }

  void add(const SourceItem& item) {
    kept_ -= room_for(item);
    if (item.passes_on) return pass_on(item);
    if (item.kind == SourceItem::Kind::kFile) return add_file(item);
    std::vector<std::byte> record;
    if (item.kind == SourceItem::Kind::kLink) append(LinkRecord{item.number}, record);
    if (item.kind == SourceItem::Kind::kDirectoryEnd) {
      append(DirectoryEndRecord{item.number, item.complete}, record);
    }
    put(record);
  }

  [[nodiscard]] FrameContent take() { return std::move(content_); }

 private:
  void add_file(const SourceItem& item) {
    FileRecord record{
        .entry = item.number, .seconds = item.seconds, .nanoseconds = item.nanoseconds, .content = {}};
    const std::size_t head = file_head_size(record.entry, record.seconds, record.nanoseconds);
    const std::size_t room = frame_.size() - content_.size - kMaxFileHead - kept_;
    std::size_t got = 0;
    record.status = read_file(item, frame_.subspan(content_.size + head, room), got, record);
    put(record, head, got);
  }

  // The open file, with a LOCAL record; of one that cannot be had, or is empty by now, what a small one has.
  void pass_on(const SourceItem& item) {
    FileRecord record{
        .entry = item.number, .seconds = item.seconds, .nanoseconds = item.nanoseconds, .content = {}};
    struct stat now {};
    Descriptor fd = open(item);
    if (!fd || ::fstat(fd.get(), &now) == -1 || ::fcntl(fd.get(), F_SETFL, 0) == -1) {
      record.status = fail(item, errno);
    } else if (!S_ISREG(now.st_mode)) {
      record.status = fail_no_file(item);
    } else if (now.st_size > 0) {
      std::vector<std::byte> head;
      append(RecordType::kLocal, RangeRecord{item.number, 0, static_cast<std::uint64_t>(now.st_size)}, head);
      local_->put(item.number, std::move(fd));
      return put(head);
    }
    local_->release();
    record.seconds = now.st_mtim.tv_sec;
    record.nanoseconds = static_cast<std::uint32_t>(now.st_mtim.tv_nsec);
    put(record, 0, 0);
  }

  void put(const std::vector<std::byte>& record) {
    std::copy(record.begin(), record.end(), frame_.begin() + static_cast<std::ptrdiff_t>(content_.size));
    content_.size += record.size();
  }

  // Writes the head in front of the content, which lies where a head of `expected` bytes ends.
  void put(const FileRecord& record, std::size_t expected, std::size_t size) {
    const auto at = frame_.subspan(content_.size);
    std::array<std::byte, kMaxFileHead> head{};
    const std::size_t head_size = write_file_head(record, size, head);
    if (head_size != expected) std::memmove(at.data() + head_size, at.data() + expected, size);
    std::copy_n(head.begin(), head_size, at.begin());
    content_.size += head_size + size;
    content_.bytes += size;
  }

  FileStatus read_file(const SourceItem& item, std::span<std::byte> room, std::size_t& got,
                       FileRecord& record) {
    const Descriptor fd = open(item);
    if (!fd) return fail(item, errno);
    return read_open(item, fd.get(), room, got, record);
  }

  // Empty with errno set when it cannot be opened.
  Descriptor open(const SourceItem& item) {
    if (item.directory != directory_) {
      lease_ = cache_.open(item.directory);
      directory_ = lease_ ? item.directory : nullptr;
    }
    if (!lease_) return {};
    return Descriptor(
        ::openat(lease_->get(), item.name.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | no_follow_));
  }

  // It is sent as it is now, with its time of now. Where it has become too long for `room`, what was appended
  // is left out, with the time of when it was listed: the next copy sees that it differs. What was rewritten
  // while it was read is read again.
  FileStatus read_open(const SourceItem& item, int fd, std::span<std::byte> room, std::size_t& got,
                       FileRecord& record) {
    struct stat before {
    }, now{};
    if (::fstat(fd, &before) == -1) return fail(item, errno);
    if (!S_ISREG(before.st_mode)) return fail_no_file(item);
    for (int reading = 1; reading <= kMaxReadings; ++reading) {
      const bool fits = static_cast<std::uint64_t>(before.st_size) <= room.size();
      if (!fits && FileIdentity{before.st_dev, before.st_ino} != item.identity) {
        return fail(item, FileStatus::kChanged, "a longer one has replaced it");
      }
      const auto size = static_cast<std::size_t>(fits ? before.st_size : static_cast<off_t>(item.size));
      const ssize_t count = read_fully(fd, room.first(size), 0);
      if (count == -1 || ::fstat(fd, &now) == -1) return fail(item, errno);
      if (was_rewritten(before, now)) {
        before = now;
        continue;
      }
      got = static_cast<std::size_t>(count);
      if (fits) {
        const timespec& time = got < size ? now.st_mtim : before.st_mtim;
        record.seconds = time.tv_sec;
        record.nanoseconds = static_cast<std::uint32_t>(time.tv_nsec);
      }
      return FileStatus::kWhole;
    }
    return fail(item, FileStatus::kChanged, "it changed while it was read");
  }

  FileStatus fail(const SourceItem& item, int error) {
    if (error == ENOENT) return fail(item, FileStatus::kVanished, "it vanished before it was read");
    return fail(item, FileStatus::kUnreadable, errno_text(error));
  }

  FileStatus fail_no_file(const SourceItem& item) {
    return fail(item, FileStatus::kChanged, "it is no file any more");
  }

  FileStatus fail(const SourceItem& item, FileStatus status, const std::string& cause) {
    content_.unread.push_back(item.number);
    ++(status == FileStatus::kVanished ? content_.vanished : content_.failed);
    content_.lines.push_back(fmt::format("'{}': {}", printable(item.directory->path_of(item.name)), cause));
    return status;
  }

  std::span<std::byte> frame_;
  std::size_t kept_;  // bytes at its end that the items behind this one may need
  int no_follow_;
  DirectoryCache& cache_;
  LocalFiles* local_;
  FrameContent content_;
  std::shared_ptr<Directory> directory_;  // of the last file
  DirectoryLease lease_;
};

}  // namespace

std::size_t room_for(const SourceItem& item) {
  if (item.kind == SourceItem::Kind::kPlain) return 0;
  if (item.kind != SourceItem::Kind::kFile) return kMaxPlainRecord;
  if (item.passes_on) return kMaxLocalRecord;
  return kMaxFileHead + static_cast<std::size_t>(item.size);
}

FrameContent fill_frame(std::span<std::byte> frame, std::size_t used, const std::vector<SourceItem>& items,
                        bool follow, DirectoryCache& cache, LocalFiles* local) {
  std::size_t kept = 0;
  for (const SourceItem& item : items) kept += room_for(item);
  FrameWriter writer(frame, used, kept, follow, cache, local);
  for (const SourceItem& item : items) {
    if (is_unwanted()) break;
    writer.add(item);
  }
  return writer.take();
}

}  // namespace rdpipe
