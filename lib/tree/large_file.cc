#include "tree/large_file.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "ground/error.h"
#include "tree/content.h"
#include "tree/direct.h"

namespace rdpipe {
namespace {

// Content that is announced at once. Between two such runs entries are listed, so that the receiver has
// something to decide while a huge file is under way.
constexpr std::uint64_t kMaxRun = 64_MiB;

}  // namespace

LargeFile::LargeFile(SourceItem item, std::vector<Digest128> leaves, const CopyOptions& options,
                     DirectoryCache& cache)
    : item_(std::move(item)),
      theirs_(std::move(leaves)),
      file_options_{.direct = direct_of(options.direct)},
      cache_(cache),
      follow_(options.copy_links),
      path_(fmt::format("'{}'", printable(item_.directory->path_of(item_.name)))) {}

void LargeFile::open() {
  const auto lease = cache_.open(item_.directory);
  const int flags = O_RDONLY | O_NONBLOCK | O_CLOEXEC | (follow_ ? 0 : O_NOFOLLOW);
  if (lease) fd_ = Descriptor(::openat(lease->get(), item_.name.c_str(), flags));
  if (!fd_ && errno == ENOENT) return fail(FileStatus::kVanished, "it vanished before it was read");
  if (!fd_ || ::fstat(fd_.get(), &opened_) == -1) return fail(FileStatus::kUnreadable, errno_text(errno));
  if (!S_ISREG(opened_.st_mode)) return fail(FileStatus::kChanged, "it is no file any more");
  // Without O_NONBLOCK, which kept us from waiting at a FIFO: the loop reads nothing that has it (io/loop.h).
  if (::fcntl(fd_.get(), F_SETFL, 0) == -1) return fail(FileStatus::kUnreadable, errno_text(errno));
  size_ = static_cast<std::uint64_t>(opened_.st_size);
}

void LargeFile::start(Loop& loop, Ring& ring, std::size_t max_payload, bool pauses) {
  loop_ = &loop;
  ring_ = &ring;
  unit_ = max_payload;
  pauses_ = pauses;
  loop.run(opening_, [this]() -> std::int64_t {
    open();
    if (status_ == FileStatus::kWhole) compare();
    return 0;
  });
}

void LargeFile::compare() {
  const std::uint64_t common = std::min<std::uint64_t>(size_, theirs_.size() * kResumeUnit);
  if (common == 0) return;
  auto leaves = leaf_digests(fd_.get(), 0, common);
  if (!leaves) return fail(FileStatus::kUnreadable, errno_text(errno));
  ours_ = std::move(*leaves);
}

// Runs of leaves that are the same at both ends, and of those that are not.
void LargeFile::plan_ranges() {
  if (ours_.empty() && size_ > 0) return ranges_.push_back({false, 0, size_});
  for (std::uint64_t at = 0; at < size_; at += kResumeUnit) {
    const auto leaf = static_cast<std::size_t>(at / kResumeUnit);
    const bool same = leaf < ours_.size() && leaf < theirs_.size() && ours_[leaf] == theirs_[leaf];
    const std::uint64_t length = std::min<std::uint64_t>(kResumeUnit, size_ - at);
    if (!ranges_.empty() && ranges_.back().same == same) {
      ranges_.back().length += length;
    } else {
      ranges_.push_back({same, at, length});
    }
  }
}

bool LargeFile::next_record(std::vector<std::byte>& records) {
  if (opening_.pending() || hole_) return hole_ && more_of_data(records);
  if (opening_.done()) {
    opening_.take();
    plan_ranges();
  }
  if (data_left_ > 0 && status_ == FileStatus::kWhole) return more_of_data(records);
  source_.reset();
  if (ranges_.empty() || status_ != FileStatus::kWhole) {
    if (status_ == FileStatus::kWhole) check_unchanged();
    append(EndFileRecord{item_.number, status_, size_, opened_.st_mtim.tv_sec,
                         static_cast<std::uint32_t>(opened_.st_mtim.tv_nsec)},
           records);
    ended_ = true;
    return true;
  }
  const Range range = ranges_.front();
  ranges_.pop_front();
  if (range.same) {
    append(RecordType::kSame, RangeRecord{item_.number, range.offset, range.length}, records);
    return true;
  }
  begin_data(range);
  return more_of_data(records);
}

void LargeFile::begin_data(const Range& range) {
  data_offset_ = range.offset;
  data_left_ = range.length;
  Descriptor own(::fcntl(fd_.get(), F_DUPFD_CLOEXEC, 0));
  const int fd = own.get();
  try {
    check(fd, Status::kFileIo, "read " + path_);
    source_ =
        std::make_unique<FileSource>(std::move(own), fd, range.offset, path_, file_options_, range.length);
    source_->start(*loop_, *ring_, unit_);
  } catch (const Error& error) {
    fail(FileStatus::kUnreadable, error.cause());
  }
}

bool LargeFile::more_of_data(std::vector<std::byte>& records) {
  const std::uint64_t run = pauses_ ? std::min(data_left_, kMaxRun / unit_ * unit_) : data_left_;
  append(RecordType::kData, RangeRecord{item_.number, data_offset_, run}, records);
  data_offset_ += run;
  data_left_ -= run;
  range_left_ = run;
  return true;
}

std::optional<SourceEvent> LargeFile::poll() {
  const auto give_hole = [this](std::uint64_t length) {
    range_left_ -= length;
    return Hole{length};
  };
  // What was announced and cannot be read any more: the file will not be put in place.
  if (status_ != FileStatus::kWhole) return give_hole(range_left_);
  try {
    if (!hole_) {
      auto event = source_->poll(true);
      if (!event) return {};
      if (auto* filled = std::get_if<Filled>(&*event)) {
        range_left_ -= filled->slot.size();
        moved_ += filled->slot.size();
        return event;
      }
      if (std::holds_alternative<SourceEnd>(*event)) throw Error(Status::kFileIo, "read", "it shrank");
      hole_ = std::get<Hole>(*event).length;
      moved_ += *hole_;
    }
    const std::uint64_t length = std::min(*hole_, range_left_);
    hole_ = *hole_ > length ? std::optional(*hole_ - length) : std::nullopt;
    return give_hole(length);
  } catch (const Error& error) {
    source_.reset();
    struct stat now {};
    const bool shrank = ::fstat(fd_.get(), &now) == 0 && now.st_size < opened_.st_size;
    fail(shrank ? FileStatus::kChanged : FileStatus::kUnreadable,
         shrank ? "it shrank while it was read" : error.cause());
    return give_hole(range_left_);
  }
}

// What was appended meanwhile goes with the next copy, which sees that time and size differ.
void LargeFile::check_unchanged() {
  struct stat now {};
  if (::fstat(fd_.get(), &now) == -1) return fail(FileStatus::kUnreadable, errno_text(errno));
  if (was_rewritten(opened_, now)) fail(FileStatus::kChanged, "it changed while it was read");
}

void LargeFile::fail(FileStatus status, const std::string& cause) {
  if (status_ != FileStatus::kWhole) return;
  status_ = status;
  failure_ = path_ + ": " + cause;
}

}  // namespace rdpipe
