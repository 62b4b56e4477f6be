#include "files/file_source.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "files/direct_io.h"
#include "ground/error.h"

namespace rdpipe {
namespace {

// Reads in flight. What is in the page cache comes at memory speed at any depth, and few slots stay warm in
// the CPU's cache until they are sent; the kernel reads ahead by itself for buffered reads of a disk; only
// O_DIRECT needs a deep queue. The ring is the other bound.
constexpr std::size_t kCachedDepth = 3;
constexpr std::size_t kBufferedDepth = 8;
constexpr std::size_t kDirectDepth = 32;
constexpr std::size_t kMaxPieces = 64;  // reads and holes

// Their files state a size that has nothing to do with what they hold.
bool is_made_up(int fd) {
  constexpr std::array kernel_magics = {PROC_SUPER_MAGIC,   SYSFS_MAGIC,        DEBUGFS_MAGIC,
                                        TRACEFS_MAGIC,      CGROUP_SUPER_MAGIC, SECURITYFS_MAGIC,
                                        CGROUP2_SUPER_MAGIC};
  struct statfs system {};
  if (::fstatfs(fd, &system) == -1) return false;
  return std::find(kernel_magics.begin(), kernel_magics.end(), system.f_type) != kernel_magics.end();
}

std::optional<std::uint64_t> size_of(int fd, const struct stat& status) {
  if (S_ISBLK(status.st_mode)) {
    std::uint64_t bytes = 0;
    if (::ioctl(fd, BLKGETSIZE64, &bytes) == -1) return {};
    return bytes;
  }
  if (status.st_size == 0 || is_made_up(fd)) return {};
  return static_cast<std::uint64_t>(status.st_size);
}

}  // namespace

FileSource::FileSource(Descriptor owned, int fd, std::uint64_t begin, std::string name,
                       const FileOptions& options, std::optional<std::uint64_t> length)
    : owned_(std::move(owned)),
      fd_(fd),
      name_(std::move(name)),
      options_(options),
      begin_(begin),
      position_(begin) {
  struct stat status {};
  check(::fstat(fd, &status), Status::kEndpoint, "open " + name_);
  is_regular_ = S_ISREG(status.st_mode);
  if (length) limit_ = begin + *length;
  promised_ = limit_ ? limit_ : size_of(fd, status);
  size_ = promised_.value_or(0);
  if (!owned_) {
    callers_fd_ = fd;
    twin_ = reopen(fd, O_RDONLY);
    if (twin_) fd_ = twin_.get();
  }
  const bool has_holes = is_regular_ && promised_ && status.st_blocks * 512 < status.st_size;
  extents_ = ExtentScanner(has_holes && fd_ != callers_fd_);
}

std::optional<std::uint64_t> FileSource::size_hint() const {
  if (!promised_) return {};
  return *promised_ > begin_ ? *promised_ - begin_ : 0;
}

std::size_t FileSource::empty_slots() const {
  return static_cast<std::size_t>(std::ranges::count_if(
      pieces_, [](const Piece& piece) { return static_cast<bool>(piece.slot) && !piece.complete; }));
}

void FileSource::start(Loop& loop, Ring& ring, std::size_t max_payload) {
  loop_ = &loop;
  ring_ = &ring;
  unit_ = std::min(max_payload, ring.shape().slot_size);
  choose_way_to_read();
  if (!opening_.pending()) begin_reading();
}

void FileSource::begin_reading() {
  if (!direct_ && fd_ != callers_fd_) ::posix_fadvise(fd_, 0, 0, POSIX_FADV_SEQUENTIAL);
  plan_ahead();
}

void FileSource::choose_way_to_read() {
  const bool cached = size_ > begin_ && options_.direct != DirectIo::kOn && is_mostly_cached(fd_, size_);
  depth_ = cached ? kCachedDepth : kBufferedDepth;
  // io_uring copies what is cached in the thread that asks. Where a device takes the bytes, that is the most
  // that thread has to do with them, and another processor may: soft-RoCE moves 1.1 times as much. A socket
  // copies them once more, and finds them warm: over TCP on loopback workers move 0.85 of it.
  by_workers_ = cached && ring_->has_device();
  const bool pays =
      !cached && begin_ % kPageSize == 0 && size_ >= begin_ + kDirectThreshold && is_on_local_disk(fd_);
  if (options_.direct == DirectIo::kOff || (options_.direct == DirectIo::kAuto && !pays)) return;
  loop_->run(opening_, [this]() -> std::int64_t {
    direct_fd_ = reopen(fd_, O_RDONLY | O_DIRECT);
    return direct_fd_ ? 0 : -errno;
  });
}

void FileSource::open_direct() {
  const std::int64_t result = opening_.take();
  direct_ = result == 0;
  if (direct_) depth_ = kDirectDepth;
  if (!direct_ && options_.direct == DirectIo::kOn) {
    throw Error(Status::kEndpoint, "read " + name_ + " with direct I/O",
                errno_text(static_cast<int>(-result)), "--direct=auto falls back to buffered reads");
  }
}

void FileSource::refresh_size() {
  struct stat status {};
  if (!is_regular_ || !promised_ || ::fstat(fd_, &status) == -1) return;
  size_ = std::max(size_, static_cast<std::uint64_t>(status.st_size));
}

void FileSource::plan_ahead() {
  std::size_t reads = 0;
  for (const Piece& piece : pieces_) reads += piece.slot ? 1U : 0U;
  while (!ended_ && reads < depth_ && pieces_.size() < kMaxPieces && plan_next()) {
    if (pieces_.back().slot) ++reads;
  }
}

// Plans one more piece; false when nothing can be planned now.
bool FileSource::plan_next() {
  if (limit_ && position_ >= *limit_) return false;
  if (position_ >= size_) {
    // At the end, as far as is known: one read at a time finds out whether the file has grown.
    if (!pieces_.empty()) return false;
    refresh_size();
    if (position_ >= size_) return plan_read(position_ + unit_);
  }
  if (position_ >= data_end_) {
    const Extent extent = extents_.at(fd_, position_, size_, begin_);
    if (extent.hole) {
      Piece& piece = pieces_.emplace_back();
      piece.offset = position_;
      piece.length = extent.end - position_;
      piece.complete = true;
      position_ = extent.end;
      return true;
    }
    data_end_ = extent.end;
  }
  // The last read asks for a whole slot, so that it also meets the end of the file.
  return plan_read(data_end_ == size_ ? position_ + unit_ : data_end_);
}

bool FileSource::plan_read(std::uint64_t end) {
  auto slot = ring_->acquire();
  if (!slot) return false;
  Piece& piece = pieces_.emplace_back();
  piece.offset = position_;
  const std::uint64_t to_boundary = unit_ - (position_ - begin_) % unit_;
  piece.length = std::min(end - position_, to_boundary);
  piece.slot = std::move(*slot);
  piece.by_worker = by_workers_;
  position_ += piece.length;
  issue(piece);
  return true;
}

void FileSource::issue(Piece& piece) {
  const auto rest = piece.slot.payload().first(piece.length).subspan(piece.got);
  piece.direct = direct_ && piece.got == 0 && is_direct_aligned(piece.offset, piece.length);
  const int fd = piece.direct ? direct_fd_.get() : fd_;
  if (piece.by_worker) {
    std::vector<Digest128>* leaves = ring_->expects_leaves() && piece.got == 0 ? &piece.leaves : nullptr;
    const auto get = [fd, rest, at = static_cast<off_t>(piece.offset + piece.got), leaves]() -> std::int64_t {
      const auto count = ::pread(fd, rest.data(), rest.size(), at);
      if (count == -1) return -errno;
      if (leaves != nullptr) *leaves = leaves_of(rest.first(static_cast<std::size_t>(count)));
      return count;
    };
    return loop_->run(piece.operation, get);
  }
  loop_->read(piece.operation, fd, rest, piece.offset + piece.got);
}

void FileSource::collect(Piece& piece) {
  while (!piece.complete && piece.operation.done()) {
    piece.complete = settle(piece, piece.operation.take());
    if (!piece.complete) issue(piece);
  }
}

// Books the result of a read; false when more must be read for this piece.
bool FileSource::settle(Piece& piece, std::int64_t result) {
  if (result == -EINVAL && piece.direct && options_.direct == DirectIo::kAuto) {
    direct_ = false;  // the file system takes the flag and not the reads; its descriptor may still be in use
    return false;
  }
  if (result == -EINTR) return false;
  if (result == -EAGAIN && !piece.by_worker) {
    piece.by_worker = true;  // the caller's descriptor has O_NONBLOCK, which io_uring heeds
    return false;
  }
  if (result < 0) fail(errno_text(static_cast<int>(-result)));
  if (piece.got > 0) piece.leaves.clear();
  piece.got += static_cast<std::size_t>(result);
  if (!limit_ || piece.offset + piece.got < *limit_) return result == 0 || piece.got == piece.length;
  const auto length = static_cast<std::size_t>(*limit_ - piece.offset);
  if (length < piece.got) piece.leaves.clear();  // the last read asks for more
  piece.length = piece.got = length;
  return true;
}

std::optional<SourceEvent> FileSource::poll(bool /*urgent*/) {
  if (opening_.pending()) return {};
  if (opening_.done()) {
    open_direct();
    begin_reading();
  }
  if (ended_) return end_here();
  for (Piece& piece : pieces_) collect(piece);
  plan_ahead();
  if (pieces_.empty() && limit_ && position_ >= *limit_) ended_ = true;
  if (ended_) return end_here();
  if (pieces_.empty() || !pieces_.front().complete) return {};
  SourceEvent event = take_front();
  if (!ended_) plan_ahead();
  return event;
}

SourceEvent FileSource::take_front() {
  Piece& piece = pieces_.front();
  if (!piece.slot) {
    const Hole hole{piece.length};
    pieces_.pop_front();
    return hole;
  }
  if (piece.got < piece.length) {
    // The end of the file. Pieces planned behind it were planned for a longer file: discarded.
    const std::uint64_t end = piece.offset + piece.got;
    if (promised_ && end < *promised_) fail("file shrank while it was read");
    ended_ = true;
    position_ = end;
    if (piece.got == 0) return end_here();
  }
  piece.slot.resize(piece.got);
  Filled filled{std::move(piece.slot), std::move(piece.leaves)};
  pieces_.pop_front();
  return filled;
}

SourceEvent FileSource::end_here() {
  pieces_.clear();
  if (callers_fd_ >= 0) {
    check_long(::lseek(callers_fd_, static_cast<off_t>(position_), SEEK_SET), Status::kFileIo,
               "read " + name_);
  }
  return SourceEnd{};
}

void FileSource::fail(const std::string& cause) const {
  throw Error(Status::kFileIo, "read " + name_, cause);
}

}  // namespace rdpipe
