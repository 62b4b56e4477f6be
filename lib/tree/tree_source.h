// The sources of a tree as a Source: it walks ahead, lists what is there, hears what the receiver wants of
// it, and sends that in the same order. Nothing waits for an answer but a full window. One thread, that of
// the loop; whatever looks a name up (patterns, the walk, the opening of files) and the reading of small
// files run on its workers.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "io/loop.h"
#include "ring/ring.h"
#include "stream/source.h"
#include "tree/large_file.h"
#include "tree/local_files.h"
#include "tree/note.h"
#include "tree/progress.h"
#include "tree/removal.h"
#include "tree/small_files.h"
#include "tree/walk.h"

namespace rdpipe {

class TreeSource final : public Source {
 public:
  // `peer`: the other end's name, for lines that come from there. `local`: the other end is in this process
  // and takes large files from there.
  TreeSource(std::vector<std::string> sources, const CopyOptions& options, std::string peer,
             std::shared_ptr<LocalFiles> local = nullptr);
  ~TreeSource() override;

  void start(Loop& loop, Ring& ring, std::size_t max_payload) override;
  [[nodiscard]] std::optional<SourceEvent> poll(bool urgent) override;
  void note(std::span<const std::byte> bytes) override;
  [[nodiscard]] std::optional<std::uint64_t> size_hint() const override { return {}; }
  [[nodiscard]] const std::string& name() const override { return name_; }
  // Tells CopyOptions::progress how far it is, over a stream that is so far.
  void tell_progress(const StreamProgress& stream);

  // After COMMITTED: the sources to be removed (remove_source_files); it may outlive this.
  [[nodiscard]] SourceRemovals take_removals() { return std::move(removals_); }
  // After COMMITTED: what both ends have counted.
  [[nodiscard]] CopyReport report() const;

 private:
  // A frame that is being made. `slot` stands before `reading`: memory goes home after nobody writes to it.
  struct Frame {
    Slot slot;
    std::size_t used = 0;
    std::vector<SourceItem> items;
    FrameContent content;
    bool complete = false;
    Operation reading;
  };

  void collect_walk();
  void keep_walking();
  void collect_frames();
  void count(const FrameContent& content);
  void plan_frames(bool urgent);
  [[nodiscard]] bool plan_frame(bool urgent);
  [[nodiscard]] bool is_worth_a_frame(bool urgent) const;
  [[nodiscard]] bool in_range() const { return large_ && large_->in_range(); }
  [[nodiscard]] std::size_t unsent() const { return outgoing_.size() - sent_; }
  void stage();
  [[nodiscard]] std::optional<Slot> take_slot();
  void copy_outgoing(Frame& frame);
  void take_items(Frame& frame);
  [[nodiscard]] bool is_large(const SourceItem& item) const;
  void drop_unwanted();
  SourceItem pop_item();
  [[nodiscard]] bool passes_on(const SourceItem& item) const;
  [[nodiscard]] std::unique_ptr<LargeFile> open_large(const SourceItem& item);
  void open_ahead();
  void begin_large();
  void end_of_large(std::uint64_t rest);
  void found_here(std::uint64_t bytes);
  void append_range();
  void end_large();
  [[nodiscard]] std::optional<SourceEvent> take_large();
  void end_tree();
  void take(const StartNote& note);
  void take(const VerdictNote& note);
  void take(const LeavesNote& note);
  void take(const LineNote& note);
  void take(const FailedNote& note);
  void take(const TargetsNote& note);
  void take(const ReportNote& note);
  void answer(TreeVerdict verdict, std::uint64_t count);
  void tell(std::vector<std::string> lines);
  [[noreturn]] void throw_malformed() const;

  CopyOptions options_;
  std::string peer_;
  std::shared_ptr<LocalFiles> local_;
  std::string name_ = "the tree";
  Loop* loop_ = nullptr;
  Ring* ring_ = nullptr;
  std::size_t capacity_ = 0;  // bytes of a frame
  std::shared_ptr<DirectoryCache> cache_ = std::make_shared<DirectoryCache>();
  std::unique_ptr<Walk> walk_;
  bool walk_ended_ = false;
  std::optional<Slot> reserve_;      // for records, however far ahead a large file has been read
  std::vector<std::byte> staged_;    // records that come once no content is under way
  std::vector<std::byte> outgoing_;  // records that were not put into a frame yet, from `sent_` on
  std::size_t sent_ = 0;
  std::deque<SourceItem> items_;
  std::size_t answered_ = 0;                                          // of items_, from the front
  std::uint64_t ready_bytes_ = 0;                                     // room that those of them will take
  std::unordered_map<std::uint64_t, std::vector<Digest128>> leaves_;  // by entry
  std::unique_ptr<LargeFile> large_;                                  // the one whose content is under way
  std::unique_ptr<LargeFile> ahead_;         // the first of items_, where it is the next one
  std::optional<bool> peer_hears_;           // unknown until it has said so
  std::vector<std::string> lines_;           // until then
  std::uint64_t failed_ = 0, vanished_ = 0;  // of reading, besides the walk's
  std::uint64_t stream_bytes_ = 0;
  bool end_listed_ = false;
  std::optional<ReportNote> report_;
  EndRecord counts_;
  SourceRemovals removals_;
  ProgressMeter progress_;
  WalkBatch batch_;           // of the walk that is under way
  std::deque<Frame> frames_;  // in stream order
  Operation walking_;         // last: it ends before what it works on
};

}  // namespace rdpipe
