// A regular file or block device as a Sink. Many writes in flight at explicit offsets; a named target is the
// old one until it is the whole new one. One thread: that of the loop it was started on; whatever looks a
// name up (opening, sweeping, renaming, removing) and punching run on the loop's workers.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "files/files.h"
#include "files/target.h"
#include "files/temporary.h"
#include "ground/descriptor.h"
#include "io/loop.h"
#include "stream/sink.h"

namespace rdpipe {

// Where a file that is part of a tree is written.
struct Place {
  Target target;
  std::optional<KeptPlace> kept{};  // instead of beside the target: what stays when it cannot be completed
};

// How it gets there. Both run on a worker, and may throw.
struct Placement {
  std::function<Place()> find;  // first of all
  // When the content is complete: gives it its attributes, and makes way for what is renamed.
  std::function<void(int fd)> complete;
};

// Ends a temporary; one that was not placed a worker removes.
struct EndOnWorker {
  Loop* loop = nullptr;
  void operator()(Temporary* temporary) const noexcept;
};

class FileSink final : public Sink {
 public:
  // A named target that is no stream. Nothing is created before start().
  FileSink(Target target, const FileOptions& options);
  // The same as part of a tree, beside which nothing is swept. Written in place: only into a regular file.
  FileSink(std::string name, const FileOptions& options, Placement placement);
  // An open regular file or block device: at its position, or where O_APPEND says.
  FileSink(int fd, std::string name, const FileOptions& options);

  void start(Loop& loop, Ring& ring, std::optional<std::uint64_t> size) override;
  void write(Slot slot) override;
  void write_hole(Slot slot, std::uint64_t length) override;
  // The next `length` bytes are there already.
  void skip(std::uint64_t length) { position_ += length; }
  void poll() override;
  void finish() override;
  [[nodiscard]] bool committed() const override { return phase_ == Phase::kCommitted; }
  [[nodiscard]] std::optional<std::size_t> backlog() const override { return pieces_.size(); }
  [[nodiscard]] bool in_place_after_all() override;
  [[nodiscard]] const std::string& name() const override { return name_; }

 private:
  enum class Phase : std::uint8_t { kOpening, kWriting, kDraining, kSyncing, kPlacing, kCommitted };
  // kBlocking: by a worker. What shares the caller's descriptor may have set O_NONBLOCK, which io_uring heeds
  // for files, too, and write() does not.
  enum class How : std::uint8_t { kBuffered, kDirect, kClear, kBlocking };

  // A part of the target on its way: a slot's bytes, or zeros where its size() is 0. `slot` stands before
  // `operation`: memory goes home after nobody reads it.
  struct Piece {
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
    std::uint64_t written = 0;
    bool hole = false;
    How how = How::kBuffered;
    Slot slot;
    Operation operation;
  };

  void open();  // on a worker
  void open_target();
  void require_file() const;
  void examine_file();
  void choose_direct_io();
  void reserve(std::uint64_t end);
  [[nodiscard]] bool wants_direct(const Piece& piece) const;
  void add(Slot slot, std::uint64_t length, bool hole);
  [[nodiscard]] bool is_open();
  void sweep();
  [[nodiscard]] bool begin(Piece& piece);
  void issue(Piece& piece);
  [[nodiscard]] bool collect(Piece& piece);
  [[nodiscard]] bool settle(Piece& piece, std::int64_t result);
  void advance();
  void set_size();
  void place();
  void sync_directory();
  void set_callers_position();
  [[nodiscard]] std::span<const std::byte> zeros(std::uint64_t length);
  [[nodiscard]] std::string attempt() const { return "store " + name_; }

  FileOptions options_;
  std::string name_;
  std::shared_ptr<Target> target_;                     // null: a descriptor of the caller's
  std::optional<Placement> placement_;                 // of a target in a tree
  std::unique_ptr<Temporary, EndOnWorker> temporary_;  // of a target that is replaced
  Descriptor owned_;                                   // a target written in place
  Descriptor direct_fd_;                               // the same file with O_DIRECT, or empty
  int fd_ = -1;                                        // what is written buffered
  bool direct_ = false;                                // new writes go to direct_fd_ where they are aligned
  bool is_regular_ = true;
  bool append_ = false;         // one write at a time, at the file's end
  std::uint64_t begin_ = 0;     // where the stream starts in the file
  std::uint64_t position_ = 0;  // where the next bytes go
  std::uint64_t old_size_ = 0;  // below it a hole must be cleared
  std::uint64_t reserved_ = 0;  // the size given to a temporary ahead of its data
  std::optional<std::uint64_t> hint_;
  Phase phase_ = Phase::kOpening;
  bool ended_ = false;  // nothing more will be written
  Loop* loop_ = nullptr;
  std::vector<std::byte> zeros_;
  std::list<Piece> pieces_;  // in stream order; each holds a slot, so the ring bounds them
  Operation opening_;        // of these on, what runs ends before what it works on
  Operation sweeping_;
  Operation finishing_;
};

}  // namespace rdpipe
