// One large file on its way out: its content in slots of its own, read by the file engine; what the receiver
// has already is left out. One thread, that of the loop; a worker opens it, and compares it with what the
// receiver has.
#pragma once

#include <sys/stat.h>

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "files/file_source.h"
#include "io/loop.h"
#include "tree/copy.h"
#include "tree/directory.h"
#include "tree/walk.h"

namespace rdpipe {

class LargeFile {
 public:
  // `leaves`: digests of what the receiver has of it. `cache` outlives it.
  LargeFile(SourceItem item, std::vector<Digest128> leaves, const CopyOptions& options,
            DirectoryCache& cache);

  // `pauses`: content is announced in runs, between which records can go; there must be a slot for them then,
  // however far ahead it reads.
  void start(Loop& loop, Ring& ring, std::size_t max_payload, bool pauses);
  // What comes next, once the range before it is through: a record (DATA, with content to follow; SAME; at
  // last END_FILE), appended to `records`. False while that is not known yet.
  [[nodiscard]] bool next_record(std::vector<std::byte>& records);
  [[nodiscard]] bool in_range() const { return range_left_ > 0; }
  // END_FILE was written: it is done with.
  [[nodiscard]] bool ended() const { return ended_; }
  // The next piece of a range. Nothing when the caller may sleep.
  [[nodiscard]] std::optional<SourceEvent> poll();

  [[nodiscard]] const SourceItem& item() const { return item_; }
  [[nodiscard]] FileStatus status() const { return status_; }
  [[nodiscard]] const std::string& failure() const { return failure_; }  // a line; empty: none
  [[nodiscard]] std::uint64_t moved() const { return moved_; }

 private:
  struct Range {
    bool same = false;
    std::uint64_t offset = 0, length = 0;
  };

  void open();
  void compare();
  void plan_ranges();
  void begin_data(const Range& range);
  [[nodiscard]] bool more_of_data(std::vector<std::byte>& records);
  void check_unchanged();
  void fail(FileStatus status, const std::string& cause);

  SourceItem item_;
  std::vector<Digest128> theirs_;
  FileOptions file_options_;
  DirectoryCache& cache_;
  bool follow_;       // symlinks
  std::string path_;  // for messages
  Descriptor fd_;
  struct stat opened_ {};
  std::uint64_t size_ = 0;
  Loop* loop_ = nullptr;
  Ring* ring_ = nullptr;
  std::size_t unit_ = 0;  // bytes of a slot
  bool pauses_ = true;
  std::deque<Range> ranges_;
  std::unique_ptr<FileSource> source_;  // of the range that is being sent
  std::uint64_t data_left_ = 0;         // ... bytes of it that were not announced yet
  std::uint64_t data_offset_ = 0;       // ... where they begin
  std::uint64_t range_left_ = 0;        // announced and not given away
  std::optional<std::uint64_t> hole_;   // a hole that goes on beyond what is announced
  std::uint64_t moved_ = 0;
  FileStatus status_ = FileStatus::kWhole;
  std::string failure_;
  bool ended_ = false;
  std::vector<Digest128> ours_;
  Operation opening_;  // last: it ends before what it works on
};

}  // namespace rdpipe
