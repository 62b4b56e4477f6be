#include "files/file_sink.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <iterator>
#include <limits>
#include <utility>

#include "files/direct_io.h"
#include "ground/error.h"

namespace rdpipe {
namespace {

constexpr std::size_t kZeroBlock = 256_KiB;
// Direct writes that extend a file take turns; below its size they run side by side (measured: 1.9 against
// 2.6 GB/s). So a temporary is made as long as the sender says, or this much longer than it is.
constexpr std::uint64_t kReserveStep = 256_MiB;

bool means_unsupported(std::int64_t result) {
  return result == -EOPNOTSUPP || result == -EINVAL || result == -ENOSYS || result == -ENODEV;
}

}  // namespace

void EndOnWorker::operator()(Temporary* temporary) const noexcept {
  const auto end = [temporary] { const std::unique_ptr<Temporary> last(temporary); };
  temporary->is_discarded() ? loop->entrust(end) : end();
}

FileSink::FileSink(Target target, const FileOptions& options)
    : options_(options), name_(target.name), target_(std::make_shared<Target>(std::move(target))) {}

FileSink::FileSink(std::string name, const FileOptions& options, Placement placement)
    : options_(options), name_(std::move(name)), placement_(std::move(placement)) {}

FileSink::FileSink(int fd, std::string name, const FileOptions& options)
    : options_(options), name_(std::move(name)), fd_(fd) {
  const int flags = check(::fcntl(fd, F_GETFL), Status::kEndpoint, attempt());
  append_ = (flags & O_APPEND) != 0;
  begin_ = static_cast<std::uint64_t>(check_long(::lseek(fd, 0, SEEK_CUR), Status::kEndpoint, attempt()));
  position_ = begin_;
}

void FileSink::start(Loop& loop, Ring& /*ring*/, std::optional<std::uint64_t> size) {
  loop_ = &loop;
  hint_ = size;
  loop.run(opening_, [this]() -> std::int64_t { return open(), 0; });
}

void FileSink::open() {
  std::optional<KeptPlace> kept;
  if (placement_) {
    Place place = placement_->find();
    target_ = std::make_shared<Target>(std::move(place.target));
    kept = std::move(place.kept);
  }
  if (target_ && target_->kind == TargetKind::kReplaced) {
    auto made =
        kept ? std::make_unique<Temporary>(target_, std::move(*kept)) : std::make_unique<Temporary>(target_);
    temporary_ = {made.release(), EndOnWorker{loop_}};
    fd_ = temporary_->fd();
  } else if (target_) {
    open_target();
  }
  examine_file();
  choose_direct_io();
}

void FileSink::open_target() {
  int flags = O_WRONLY | O_CLOEXEC | O_NOCTTY | (target_->old ? 0 : O_CREAT);
  if (target_->fresh) flags |= O_EXCL;  // what has come to be there meanwhile stays
  if (placement_) flags |= O_NOFOLLOW | O_NONBLOCK;
  owned_ = Descriptor(::openat(target_->directory.get(), target_->leaf.c_str(), flags, 0666));
  fd_ = check(owned_.get(), Status::kFileIo, attempt());
  if (placement_) require_file();
}

// In a tree, something else may have been put in the file's place meanwhile.
void FileSink::require_file() const {
  struct stat status {};
  check(::fstat(fd_, &status), Status::kFileIo, attempt());
  if (!S_ISREG(status.st_mode)) throw Error(Status::kFileIo, attempt(), "it is no file any more");
  check(::fcntl(fd_, F_SETFL, 0), Status::kFileIo, attempt());  // without O_NONBLOCK
}

void FileSink::examine_file() {
  struct stat status {};
  check(::fstat(fd_, &status), Status::kFileIo, attempt());
  is_regular_ = S_ISREG(status.st_mode);
  constexpr auto kWhole = std::numeric_limits<std::uint64_t>::max();
  old_size_ = is_regular_ ? static_cast<std::uint64_t>(status.st_size) : kWhole;
}

void FileSink::choose_direct_io() {
  if (options_.direct == DirectIo::kOff) return;
  // Without a hint the first bytes decide: see wants_direct().
  const bool is_small = hint_ && *hint_ < kDirectThreshold;
  const bool pays = !append_ && begin_ % kPageSize == 0 && !is_small && is_on_local_disk(fd_);
  if (options_.direct == DirectIo::kAuto && !pays) return;
  if (!append_) direct_fd_ = reopen(fd_, O_WRONLY | O_DIRECT);
  const int error = append_ ? EINVAL : errno;
  direct_ = static_cast<bool>(direct_fd_);
  if (direct_ || options_.direct == DirectIo::kAuto) return;
  throw Error(Status::kEndpoint, attempt() + " with direct I/O", errno_text(error),
              "--direct=auto falls back to buffered writes");
}

// Makes a temporary longer than what is about to be written directly. Only a temporary: anything else would
// look complete when it is not. No failure: the write itself will say what is wrong.
void FileSink::reserve(std::uint64_t end) {
  if (!temporary_ || end <= reserved_) return;
  const std::uint64_t size = std::max(hint_.value_or(0), end + (hint_ && end <= *hint_ ? 0 : kReserveStep));
  reserved_ = end;
  if (::ftruncate(fd_, static_cast<off_t>(size)) == 0) reserved_ = size;
}

bool FileSink::wants_direct(const Piece& piece) const {
  if (!direct_ || piece.slot.size() == 0 || piece.written != 0 ||
      !is_direct_aligned(piece.offset, piece.length))
    return false;
  const bool large = hint_ || piece.offset - begin_ >= kDirectThreshold;
  return large || options_.direct == DirectIo::kOn;
}

void FileSink::write(Slot slot) {
  assert(!ended_ && slot.size() > 0);
  const std::uint64_t length = slot.size();
  add(std::move(slot), length, false);
}

void FileSink::write_hole(Slot slot, std::uint64_t length) {
  assert(!ended_ && slot.size() == 0);
  add(std::move(slot), length, true);
}

// Gives it its place in the file and begins to write it, once that is open.
void FileSink::add(Slot slot, std::uint64_t length, bool hole) {
  Piece& piece = pieces_.emplace_back();
  piece.offset = position_;
  piece.length = length;
  piece.hole = hole;
  piece.slot = std::move(slot);
  position_ += length;
  if (phase_ != Phase::kOpening && !begin(piece)) pieces_.pop_back();
}

// False when there is nothing to do for it: a hole where nothing is stays one.
bool FileSink::begin(Piece& piece) {
  if (piece.hole && !append_) {
    if (piece.offset >= old_size_) return false;
    piece.length = std::min(piece.length, old_size_ - piece.offset);
    piece.how = How::kClear;
  }
  if (wants_direct(piece)) piece.how = How::kDirect;
  if (!append_ || &piece == &pieces_.front()) issue(piece);
  return true;
}

bool FileSink::is_open() {
  if (phase_ != Phase::kOpening) return true;
  if (!opening_.done()) return false;
  opening_.take();
  phase_ = Phase::kWriting;
  sweep();
  for (auto piece = pieces_.begin(); piece != pieces_.end();) {
    piece = begin(*piece) ? std::next(piece) : pieces_.erase(piece);
  }
  return true;
}

void FileSink::sweep() {
  if (!temporary_ || placement_) return;
  loop_->run(
      sweeping_,
      [target = target_]() -> std::int64_t {
        sweep_left_overs(target->directory.get(), target->leaf);
        return 0;
      },
      Abandon::kDetach);
}

void FileSink::issue(Piece& piece) {
  const std::uint64_t at = piece.offset + piece.written;
  const std::uint64_t rest = piece.length - piece.written;
  if (piece.how == How::kClear) {
    const int mode = FALLOC_FL_KEEP_SIZE | (is_regular_ ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE);
    const auto clear = [fd = fd_, mode, at, rest]() -> std::int64_t {
      return ::fallocate(fd, mode, static_cast<off_t>(at), static_cast<off_t>(rest)) == -1 ? -errno : 0;
    };
    return loop_->run(piece.operation, clear);
  }
  const auto bytes = piece.slot.size() > 0
                         ? std::span<const std::byte>(piece.slot.filled()).subspan(piece.written)
                         : zeros(rest);
  if (piece.how == How::kBlocking) {
    const auto put = [fd = fd_, bytes, at, append = append_]() -> std::int64_t {
      const auto count = append ? ::write(fd, bytes.data(), bytes.size())
                                : ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(at));
      return count == -1 ? -errno : count;
    };
    return loop_->run(piece.operation, put);
  }
  if (piece.how == How::kDirect) reserve(at + rest);
  const int fd = piece.how == How::kDirect ? direct_fd_.get() : fd_;
  loop_->write(piece.operation, fd, bytes, append_ ? Loop::kCurrentPosition : at);
}

std::span<const std::byte> FileSink::zeros(std::uint64_t length) {
  if (zeros_.empty()) zeros_.resize(kZeroBlock);
  return std::span<const std::byte>(zeros_).first(std::min<std::uint64_t>(length, kZeroBlock));
}

// True when the piece is complete.
bool FileSink::collect(Piece& piece) {
  while (piece.operation.done()) {
    if (settle(piece, piece.operation.take())) return true;
    issue(piece);
  }
  return false;
}

// Books the result of a write or of clearing; false when more must be done for this piece.
bool FileSink::settle(Piece& piece, std::int64_t result) {
  if (piece.how == How::kClear) {
    if (result == 0) return true;
    if (!means_unsupported(result) && result != -EINTR)
      throw_errno(static_cast<int>(-result), Status::kFileIo, attempt());
    if (result != -EINTR) piece.how = How::kBuffered;  // written zeros do as well
    return false;
  }
  if (result == -EINTR) return false;
  if (result == -EAGAIN && piece.how != How::kBlocking) {
    piece.how = How::kBlocking;
    return false;
  }
  if (result == -EINVAL && piece.how == How::kDirect && options_.direct == DirectIo::kAuto) {
    direct_ = false;  // the file system takes the flag and not the writes
    piece.how = How::kBuffered;
    return false;
  }
  if (result < 0) throw_errno(static_cast<int>(-result), Status::kFileIo, attempt());
  if (result == 0) throw_errno(EIO, Status::kFileIo, attempt());
  piece.written += static_cast<std::uint64_t>(result);
  piece.how = How::kBuffered;  // what is left of a short write need not be aligned
  return piece.written == piece.length;
}

void FileSink::poll() {
  if (!is_open()) return;
  for (auto piece = pieces_.begin(); piece != pieces_.end();) {
    if (!collect(*piece)) {
      ++piece;
      continue;
    }
    piece = pieces_.erase(piece);  // its slot goes home, whatever is still being written before it
    if (append_ && piece != pieces_.end()) issue(*piece);
  }
  if (sweeping_.done()) sweeping_.take();
  if (ended_ && phase_ == Phase::kWriting) phase_ = Phase::kDraining;
  if (finishing_.done()) {
    const std::int64_t result = finishing_.take();
    if (result < 0) throw_errno(static_cast<int>(-result), Status::kFileIo, attempt());
    advance();
  } else if (phase_ == Phase::kDraining && pieces_.empty() && sweeping_.idle()) {
    advance();
  }
}

void FileSink::finish() {
  assert(!ended_);
  ended_ = true;
  poll();
}

// Renaming has no way back once it has begun.
bool FileSink::in_place_after_all() {
  if (phase_ != Phase::kPlacing) return committed();
  while (finishing_.pending()) {
    try {
      loop_->wait();
    } catch (const Error&) {  // NOLINT(bugprone-empty-catch): a second signal does not hasten it
    }
  }
  poll();
  return committed();
}

// The next step of putting the target in place: the one before it has succeeded.
void FileSink::advance() {
  if (phase_ == Phase::kDraining) {
    set_size();
    phase_ = Phase::kSyncing;
    if (options_.fsync) return loop_->sync(finishing_, fd_);
    return loop_->run(finishing_, [fd = fd_]() -> std::int64_t { return -try_close(fd); });
  }
  if (phase_ == Phase::kSyncing) {
    phase_ = Phase::kPlacing;
    if (temporary_ || placement_) return place();
    if (owned_ && !target_->old && options_.fsync) return sync_directory();
  }
  if (!target_ && !append_) set_callers_position();
  phase_ = Phase::kCommitted;
}

// A named target ends where the stream does. A descriptor's file only grows: what lies behind is the user's.
void FileSink::set_size() {
  if (!is_regular_ || append_) return;
  struct stat status {};
  check(::fstat(fd_, &status), Status::kFileIo, attempt());
  const auto size = static_cast<std::uint64_t>(status.st_size);
  if (size == position_ || (!target_ && size > position_)) return;
  check(::ftruncate(fd_, static_cast<off_t>(position_)), Status::kFileIo, attempt());
}

// On a worker: renaming over a large file frees its blocks, which takes long.
void FileSink::place() {
  const auto job = [this]() -> std::int64_t {
    if (placement_) {
      placement_->complete(fd_);
      if (temporary_) temporary_->place_as_it_is(options_.fsync);
    } else {
      temporary_->place(options_.fsync);
    }
    return 0;
  };
  loop_->run(finishing_, job);
}

// The name of a file that was created in place.
void FileSink::sync_directory() {
  const auto job = [this]() -> std::int64_t {
    sync_names(open_to_sync(target_->directory.get(), attempt()), fd_, attempt());
    return 0;
  };
  loop_->run(finishing_, job);
}

void FileSink::set_callers_position() {
  check_long(::lseek(fd_, static_cast<off_t>(position_), SEEK_SET), Status::kFileIo, attempt());
}

}  // namespace rdpipe
