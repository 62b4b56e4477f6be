// A tree as a Sink: decides of each entry what is missing, answers in notes, and puts in place what comes.
// Nothing that the sender says is trusted: names are single components, opened beneath the destination
// without following symlinks. One thread, that of the loop; decisions, small files and directories' ends run
// on its workers.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "io/loop.h"
#include "ring/ring.h"
#include "stream/sink.h"
#include "tree/decide.h"
#include "tree/deleter.h"
#include "tree/finish.h"
#include "tree/large_sink.h"
#include "tree/local_files.h"
#include "tree/note.h"
#include "tree/progress.h"
#include "tree/record.h"
#include "tree/writer.h"

namespace rdpipe {

class TreeSink final : public Sink {
 public:
  // `peer`: the other end's name, for lines that come from there. `local`: where a sender in this process
  // puts large files.
  TreeSink(std::string destination, const CopyOptions& options, std::string peer,
           std::shared_ptr<LocalFiles> local = nullptr);
  ~TreeSink() override;

  void start(Loop& loop, Ring& ring, std::optional<std::uint64_t> size) override;
  void write(Slot slot) override;
  void write_hole(Slot slot, std::uint64_t length) override;
  void poll() override;
  [[nodiscard]] std::optional<std::vector<std::byte>> take_note() override;
  void finish() override;
  [[nodiscard]] bool committed() const override { return committed_; }
  [[nodiscard]] const std::string& name() const override { return name_; }
  // Tells CopyOptions::progress how far it is, over a stream that is so far.
  void tell_progress(const StreamProgress& stream);

  // After it is committed: what both ends have counted.
  [[nodiscard]] CopyReport report() const;

 private:
  struct SmallFile {
    WantedFile wanted;
    FileStatus status{};
    std::span<const std::byte> content;  // in the step's slot
    LocalFiles::File local{};            // or the open file, of the sender in this process
  };
  // A frame that came while too much was undecided, or a hole of `length` bytes. It keeps its slot, so that
  // the ring holds the sender back.
  struct HeldFrame {
    Slot slot;
    std::uint64_t length = 0;
  };
  // A directory's end or a hard link, as it came: what it belongs to may not be decided yet.
  struct Ending {
    bool is_link = false;
    bool complete = false;
    std::uint64_t number = 0;  // of the entry or the directory
  };
  // What is done in stream order, as far as order matters: content of small files (any two at a time), a
  // large file, and the ends of directories and hard links, which wait for all before them. Slots stand
  // before the operation: memory goes home after nobody reads it.
  struct Step {
    Slot slot;
    std::vector<SmallFile> files;
    std::unique_ptr<LargeSink> large;
    std::vector<Ending> endings;
    std::uint64_t needs = 0;  // records that must be decided before them
    std::vector<FinishStep> finishes;
    FinishResult result;
    bool started = false, complete = false;
    Operation running;
  };

  [[nodiscard]] bool must_hold() const;
  [[nodiscard]] bool has_enough() const;
  void take_held();
  void take_frame(Slot slot);
  void take_hole(Slot slot, std::uint64_t length);
  void take(const RawRecord& record, std::vector<SmallFile>& files);
  void add_undecided(const RawRecord& record);
  void take_file(const RawRecord& record, std::vector<SmallFile>& files);
  void take_local(const RawRecord& record, std::vector<SmallFile>& files);
  void take_data(const RawRecord& record);
  void take_same(const RawRecord& record);
  void take_end_file(const RawRecord& record);
  void take_link(const RawRecord& record);
  void take_directory_end(const RawRecord& record);
  void take_end(const RawRecord& record);
  void take_line(const RawRecord& record);
  [[nodiscard]] WantedFile claim(std::uint64_t entry);
  [[nodiscard]] LargeSink& large_of(std::uint64_t entry);
  void add_ending(Ending ending);
  [[nodiscard]] FinishStep resolve(const Ending& ending);
  void decide();
  void collect_decision();
  void advance_steps();
  void start(Step& step);
  void collect(Step& step);
  void collect_large(Step& step);
  [[nodiscard]] FinishResult write_files(const Step& step);
  void count(const FinishResult& result);
  void tell_unplaced(const std::vector<std::uint64_t>& entries);
  void commit();
  void tell(const std::vector<LineNote>& lines);
  [[nodiscard]] std::optional<LineNote> line_of(const WantedFile& wanted, std::uint64_t moved) const;
  [[nodiscard]] bool has_more_to_do() const;
  [[nodiscard]] std::int64_t end_all();
  template <typename Note, typename Value>
  void in_notes(const std::vector<Value>& values, std::size_t most);
  void note(const TreeNote& note) { notes_.push_back(encode(note)); }
  [[noreturn]] void throw_malformed(const std::string& cause = "a malformed record") const;

  CopyOptions options_;
  std::string peer_;
  std::shared_ptr<LocalFiles> local_;
  std::string name_;
  DirectoryCache cache_;
  Writer writer_;
  Deleter deleter_;
  Decider decider_;
  Finisher finisher_;
  Loop* loop_ = nullptr;
  Ring* ring_ = nullptr;
  RecordReader reader_;
  std::uint64_t entries_ = 0;          // that have come
  std::uint64_t decided_ = 0;          // ... and were decided
  std::uint64_t records_ = 0;          // that have come, of entries and all else that is decided on
  std::uint64_t decided_records_ = 0;  // ... and were
  std::uint64_t content_left_ = 0;     // bytes of a large file that come in frames of their own
  LargeSink* receiving_ = nullptr;     // the large file that is not ended
  bool is_missing_content_ = false;    // a file could not be read: nothing may be deleted any more
  std::size_t endings_ = 0;            // that were not begun
  std::size_t finishing_large_ = 0;    // large files that are ended, and not in place
  std::unordered_map<std::uint64_t, WantedFile> wanted_;  // by entry: asked for, and not come yet
  std::unordered_map<std::uint64_t, WantedLink> links_;
  std::unordered_map<std::uint64_t, LinkHead> heads_;
  std::unordered_map<std::uint64_t, std::shared_ptr<TargetDirectory>> directories_;
  std::optional<bool> peer_hears_;  // unknown until it has begun
  bool all_listed_ = false;         // no entry will come
  bool shows_ = false;              // somebody wants lines of what is copied
  std::optional<EndRecord> end_;
  ReportNote counts_;
  std::deque<std::vector<std::byte>> notes_;
  bool finishing_ = false, ended_all_ = false, committed_ = false;
  FinishResult last_result_;  // of what end_all() does
  std::uint64_t stream_bytes_ = 0;
  ProgressMeter progress_;
  std::atomic<std::uint64_t> copied_ = 0;  // bytes, by the kernel: of files passed on within this process
  std::deque<HeldFrame> held_;             // in stream order
  std::vector<std::byte> undecided_;       // records that were not decided yet
  std::uint64_t deciding_entries_ = 0, deciding_records_ = 0;
  std::vector<std::byte> deciding_;  // ... and those that are being decided
  Decision decision_;
  std::deque<Step> steps_;
  Operation decide_;  // these last: they end before what they work on
  Operation ending_all_;
};

}  // namespace rdpipe
