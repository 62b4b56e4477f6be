// A regular file or block device as a Source. Reads ahead as deep as pays, at explicit offsets; pieces leave
// in stream order however the reads end. One thread: that of the loop it was started on; the file is opened
// for direct reads on a worker.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "files/extents.h"
#include "files/files.h"
#include "ground/descriptor.h"
#include "io/loop.h"
#include "stream/source.h"

namespace rdpipe {

class FileSource final : public Source {
 public:
  // Reads `fd`, a regular file or a block device, from `begin`. `owned` keeps it open, or is empty: then it
  // is the caller's, and its position is set behind the last byte at the end. `length`: gives exactly so many
  // bytes of a regular file; that there are fewer is an error. Otherwise what there is, to its end.
  FileSource(Descriptor owned, int fd, std::uint64_t begin, std::string name, const FileOptions& options,
             std::optional<std::uint64_t> length = {});

  void start(Loop& loop, Ring& ring, std::size_t max_payload) override;
  [[nodiscard]] std::optional<SourceEvent> poll(bool urgent) override;
  [[nodiscard]] std::optional<std::uint64_t> size_hint() const override;
  [[nodiscard]] std::size_t empty_slots() const override;
  [[nodiscard]] const std::string& name() const override { return name_; }

 private:
  // A part of the stream that was planned and not given away yet: a hole, or a read into `slot`. `slot`
  // stands before `operation`: memory goes home after nobody writes to it.
  struct Piece {
    std::uint64_t offset = 0;  // in the file
    std::uint64_t length = 0;  // of the hole, or wanted
    std::size_t got = 0;
    bool direct = false;
    bool by_worker = false;
    bool complete = false;
    Slot slot;
    std::vector<Digest128> leaves;  // of what a worker has read into it in one go
    Operation operation;
  };

  void choose_way_to_read();
  void open_direct();
  void begin_reading();
  void plan_ahead();
  bool plan_next();
  bool plan_read(std::uint64_t end);
  void issue(Piece& piece);
  void collect(Piece& piece);
  [[nodiscard]] bool settle(Piece& piece, std::int64_t result);
  SourceEvent take_front();
  SourceEvent end_here();
  void refresh_size();
  [[noreturn]] void fail(const std::string& cause) const;

  Descriptor owned_;      // the file, unless it is the caller's
  Descriptor twin_;       // a buffered description of our own of a caller's file
  Descriptor direct_fd_;  // the same file with O_DIRECT, or empty
  int fd_;                // what is read buffered: one of owned_, twin_ and the caller's
  int callers_fd_ = -1;
  std::string name_;
  FileOptions options_;
  bool direct_ = false;  // new reads go to direct_fd_ where they are aligned
  bool is_regular_ = true;
  std::uint64_t begin_;                    // where the stream starts in the file
  std::optional<std::uint64_t> promised_;  // the file's size when it was opened, where that means something
  std::optional<std::uint64_t> limit_;     // offset where the stream ends, whatever the file's size
  std::uint64_t size_ = 0;                 // as last seen; 0 where it means nothing
  std::uint64_t position_;                 // the next offset to plan
  std::uint64_t data_end_ = 0;             // of the extent being read
  ExtentScanner extents_;
  std::size_t unit_ = 0;  // bytes of one read
  std::size_t depth_ = 0;
  bool by_workers_ = false;  // buffered reads
  bool ended_ = false;       // a read met the end of the file
  Loop* loop_ = nullptr;
  Ring* ring_ = nullptr;
  std::deque<Piece> pieces_;  // in stream order
  Operation opening_;         // ... for direct reads; nothing is read meanwhile
};

}  // namespace rdpipe
