#include "tree/tree_source.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <utility>

#include "ground/error.h"
#include "tree/content.h"
#include "tree/partial.h"

namespace rdpipe {
namespace {

// The window: entries that the receiver has not been sent, or asked about, in full. Large enough for a
// hundred thousand files a second over a line of 100 ms; a few MiB of memory.
constexpr std::size_t kMaxItems = 16384;
constexpr std::size_t kMaxOutgoing = 1_MiB;
// Empty files take next to no room in a frame, and whoever writes them must not have a million at once.
constexpr std::size_t kMaxItemsInFrame = 512;
constexpr std::size_t kWalkBatch = 512;  // entries of one job
constexpr std::size_t kSlotsForReserve = 4;
constexpr std::size_t kMaxRangeRecords = 128;  // bytes of the records in front of a run of content
constexpr std::size_t kMaxFrames = 4;          // that are being made

}  // namespace

TreeSource::TreeSource(std::vector<std::string> sources, const CopyOptions& options, std::string peer,
                       std::shared_ptr<LocalFiles> local)
    : options_(options),
      peer_(std::move(peer)),
      local_(std::move(local)),
      removals_(cache_, options_.copy_links),
      progress_(options_) {
  walk_ = std::make_unique<Walk>(std::move(sources), options_, *cache_);
}

TreeSource::~TreeSource() = default;

void TreeSource::start(Loop& loop, Ring& ring, std::size_t max_payload) {
  loop_ = &loop;
  ring_ = &ring;
  capacity_ = std::min(max_payload, ring.shape().slot_size);
  if (ring.shape().slots >= kSlotsForReserve) reserve_ = ring.acquire();
  keep_walking();
}

std::optional<SourceEvent> TreeSource::poll(bool urgent) {
  if (!reserve_ && ring_->shape().slots >= kSlotsForReserve) reserve_ = ring_->acquire();
  collect_walk();
  collect_frames();
  keep_walking();
  open_ahead();
  plan_frames(urgent);
  collect_frames();
  if (!frames_.empty()) {
    if (!frames_.front().complete) return {};
    Frame& frame = frames_.front();
    count(frame.content);
    frame.slot.resize(frame.used);
    stream_bytes_ += frame.used;
    Filled filled{std::move(frame.slot)};
    frames_.pop_front();
    return filled;
  }
  if (in_range() && unsent() == 0) return take_large();
  if (end_listed_ && unsent() + staged_.size() == 0) {
    progress_.now().files = progress_.now().total_files;
    progress_.tell();
    return SourceEnd{};
  }
  return {};
}

void TreeSource::collect_walk() {
  if (!walking_.done()) return;
  walking_.take();
  staged_.insert(staged_.end(), batch_.records.begin(), batch_.records.end());
  for (SourceItem& item : batch_.items) items_.push_back(std::move(item));
  answer({}, 0);  // what needs no answer
  tell(std::move(batch_.lines));
  walk_ended_ = batch_.ended;
  counts_ = walk_->counts();
  progress_.now().total_files = counts_.entries;
  progress_.now().total_bytes = counts_.file_bytes;
  progress_.now().total_known = walk_ended_;
  if (walk_ended_) append_listed(staged_);
  batch_ = {};
}

void TreeSource::keep_walking() {
  if (walk_ended_ || !walking_.idle()) return;
  if (items_.size() >= kMaxItems || unsent() + staged_.size() >= kMaxOutgoing) return;
  loop_->run(walking_, [this]() -> std::int64_t {
    batch_ = walk_->next(kWalkBatch);
    return 0;
  });
}

void TreeSource::collect_frames() {
  for (Frame& frame : frames_) {
    if (!frame.reading.done()) continue;
    frame.reading.take();
    frame.used = frame.content.size;
    frame.complete = true;
  }
}

void TreeSource::count(const FrameContent& content) {
  failed_ += content.failed;
  vanished_ += content.vanished;
  progress_.now().bytes += content.bytes;
  for (const std::uint64_t entry : content.unread) removals_.keep(entry);
  tell(content.lines);
}

void TreeSource::plan_frames(bool urgent) {
  drop_unwanted();
  while (frames_.size() < kMaxFrames && plan_frame(urgent && frames_.empty())) {
  }
  if (frames_.empty()) end_tree();
}

bool TreeSource::is_worth_a_frame(bool urgent) const {
  if (in_range()) return unsent() > 0;
  const std::uint64_t there = unsent() + (large_ ? 0 : ready_bytes_);
  return there >= capacity_ || ((urgent || end_listed_) && there > 0);
}

// Records go behind one another, but not into the middle of content.
void TreeSource::stage() {
  if (in_range() || staged_.empty()) return;
  outgoing_.erase(outgoing_.begin(), outgoing_.begin() + static_cast<std::ptrdiff_t>(sent_));
  sent_ = 0;
  outgoing_.insert(outgoing_.end(), staged_.begin(), staged_.end());
  staged_.clear();
}

std::optional<Slot> TreeSource::take_slot() {
  if (auto slot = ring_->acquire()) return slot;
  return std::exchange(reserve_, {});
}

// One more frame: records of entries first, then what was answered.
bool TreeSource::plan_frame(bool urgent) {
  stage();
  const bool range_due = large_ && !in_range() && unsent() + kMaxRangeRecords <= capacity_;
  if (!range_due && !is_worth_a_frame(urgent)) return false;
  auto slot = take_slot();
  if (!slot) return false;
  if (range_due) append_range();  // only now: reading ahead takes what slots there are
  if (range_due && unsent() == 0) return false;
  Frame& frame = frames_.emplace_back();
  frame.slot = std::move(*slot);
  copy_outgoing(frame);
  if (!large_ && unsent() == 0) take_items(frame);
  const bool reads = std::ranges::any_of(
      frame.items, [](const SourceItem& item) { return item.kind == SourceItem::Kind::kFile; });
  const auto fill = [this, &frame]() -> std::int64_t {
    frame.content = fill_frame(frame.slot.payload().first(capacity_), frame.used, frame.items,
                               options_.copy_links, *cache_, local_.get());
    return 0;
  };
  if (reads) {
    loop_->run(frame.reading, fill);
    return true;
  }
  fill();
  frame.used = frame.content.size;
  frame.complete = true;
  if (frame.used == 0) frames_.pop_back();  // items that only had to be let go of
  return true;
}

void TreeSource::copy_outgoing(Frame& frame) {
  const std::size_t count = std::min(unsent(), capacity_);
  std::memcpy(frame.slot.payload().data(), outgoing_.data() + sent_, count);
  frame.used = count;
  sent_ += count;
  if (sent_ == outgoing_.size()) {
    outgoing_.clear();
    sent_ = 0;
  }
}

bool TreeSource::is_large(const SourceItem& item) const {
  if (item.kind != SourceItem::Kind::kFile || item.verdict == TreeVerdict::kSkip) return false;
  return item.verdict == TreeVerdict::kResume || item.size + kMaxFileHead > capacity_;
}

void TreeSource::take_items(Frame& frame) {
  std::size_t room = capacity_ - frame.used;
  while (answered_ > 0 && frame.items.size() < kMaxItemsInFrame) {
    drop_unwanted();
    if (answered_ == 0) break;
    const SourceItem& item = items_.front();
    if (is_large(item) && room < kMaxFileHead) break;
    if (is_large(item) && (ahead_ || !passes_on(item))) {
      begin_large();
      break;
    }
    if (is_large(item)) {
      SourceItem& file = frame.items.emplace_back(pop_item());
      file.passes_on = true;
      end_of_large(file.size);
      break;  // each in a frame of its own, so that they are copied side by side
    }
    if (room_for(item) > room) break;
    room -= room_for(item);
    frame.items.push_back(pop_item());
  }
}

// Lets go of what was answered and needs nothing to be sent.
void TreeSource::drop_unwanted() {
  while (answered_ > 0) {
    const SourceItem& item = items_.front();
    const bool skipped = item.kind == SourceItem::Kind::kFile && item.verdict == TreeVerdict::kSkip;
    if (!skipped && item.kind != SourceItem::Kind::kPlain) return;
    if (skipped) found_here(item.size);
    static_cast<void>(pop_item());
  }
}

void TreeSource::found_here(std::uint64_t bytes) {
  progress_.now().bytes += bytes;
  progress_.now().found_bytes += bytes;
}

SourceItem TreeSource::pop_item() {
  SourceItem item = std::move(items_.front());
  items_.pop_front();
  --answered_;
  if (!is_large(item)) ++progress_.now().files;
  const bool skipped = item.kind == SourceItem::Kind::kFile && item.verdict == TreeVerdict::kSkip;
  if (!skipped) ready_bytes_ -= std::min(room_for(item), capacity_);
  if (options_.remove_source_files && !options_.dry_run && item.kind != SourceItem::Kind::kDirectoryEnd) {
    if (item.incomplete) removals_.keep(item.number);  // with its hard links
    removals_.add(item);
  }
  return item;
}

// What the kernel's copy does not do is done as between two hosts.
bool TreeSource::passes_on(const SourceItem& item) const {
  return local_ && item.verdict == TreeVerdict::kSend && !options_.sparse && !options_.verify &&
         !options_.inplace && !keeps_partial(options_) && options_.direct != CopyDirect::kOn &&
         local_->reserve();
}

std::unique_ptr<LargeFile> TreeSource::open_large(const SourceItem& item) {
  std::vector<Digest128> leaves;
  if (auto node = leaves_.extract(item.number)) leaves = std::move(node.mapped());
  auto large = std::make_unique<LargeFile>(item, std::move(leaves), options_, *cache_);
  large->start(*loop_, *ring_, capacity_, ring_->shape().slots >= kSlotsForReserve);
  return large;
}

// A worker opens the next large file while this one is under way.
void TreeSource::open_ahead() {
  if (!large_ || ahead_ || answered_ == 0 || !is_large(items_.front())) return;
  ahead_ = open_large(items_.front());
}

void TreeSource::begin_large() {
  const SourceItem item = pop_item();
  large_ = ahead_ ? std::move(ahead_) : open_large(item);
}

// `rest`: bytes of it that did not come through here.
void TreeSource::end_of_large(std::uint64_t rest) {
  ++progress_.now().files;
  found_here(rest);
}

// The record of the large file's next run stands last in its frame.
void TreeSource::append_range() {
  while (!large_->in_range() && !large_->ended() && large_->next_record(outgoing_)) {
  }
  if (large_->ended()) end_large();
}

void TreeSource::end_large() {
  end_of_large(large_->item().size - std::min(large_->item().size, large_->moved()));
  if (!large_->failure().empty()) {
    ++(large_->status() == FileStatus::kVanished ? vanished_ : failed_);
    removals_.keep(large_->item().number);
    tell({large_->failure()});
  }
  large_.reset();
}

std::optional<SourceEvent> TreeSource::take_large() {
  const std::uint64_t before = large_->moved();
  auto event = large_->poll();
  if (!event) return {};
  if (const auto* filled = std::get_if<Filled>(&*event)) stream_bytes_ += filled->slot.size();
  progress_.now().bytes += large_->moved() - before;
  return event;
}

void TreeSource::tell_progress(const StreamProgress& stream) {
  progress_.set_stream(stream);
  if (large_) {
    const SourceItem& item = large_->item();
    progress_.set_file(printable(item.directory->path_of(item.name)), large_->moved(), item.size);
  } else {
    progress_.set_file({}, 0, 0);
  }
  progress_.tell();
}

void TreeSource::end_tree() {
  if (end_listed_ || !walk_ended_ || !items_.empty() || large_ || !lines_.empty()) return;
  counts_.failed += failed_;
  counts_.vanished += vanished_;
  append(counts_, staged_);
  end_listed_ = true;
  loop_->wake_now();
}

void TreeSource::note(std::span<const std::byte> bytes) {
  const auto note = decode_note(bytes);
  if (!note || report_) throw_malformed();
  std::visit([this](const auto& alternative) { take(alternative); }, *note);
}

void TreeSource::take(const StartNote& note) {
  if (peer_hears_) throw_malformed();
  if (note.version != kTreeVersion) throw_other_version("send a tree to " + peer_, note.version);
  peer_hears_ = note.hears_peer;
  tell(std::exchange(lines_, {}));
}

void TreeSource::take(const VerdictNote& note) {
  for (const auto& run : note.runs) answer(run.verdict, run.count);
}

// Marks the next `count` files; a directory's end and the like are answered as soon as all before them are.
void TreeSource::answer(TreeVerdict verdict, std::uint64_t count) {
  for (; answered_ < items_.size(); ++answered_) {
    SourceItem& item = items_[answered_];
    if (item.is_asked_for) {
      if (count == 0) return;
      --count;
      if (leaves_.contains(item.number) != (verdict == TreeVerdict::kResume)) throw_malformed();
      item.verdict = verdict;
      if (verdict != TreeVerdict::kSkip) item.kind = SourceItem::Kind::kFile;  // a link, too
      if (verdict == TreeVerdict::kSkip && item.kind == SourceItem::Kind::kFile) continue;
    }
    ready_bytes_ += std::min(room_for(item), capacity_);
  }
  if (count > 0) throw_malformed();
}

void TreeSource::take(const LeavesNote& note) {
  // No more than there can be of what it was asked about and has not answered: they take memory here.
  const auto open = std::next(items_.begin(), static_cast<std::ptrdiff_t>(answered_));
  const auto item = std::find_if(open, items_.end(), [&](const SourceItem& one) {
    return one.is_asked_for && one.number == note.entry;
  });
  if (!keeps_partial(options_) || item == items_.end() || note.leaves.empty()) throw_malformed();
  // Of the names of one file, one has them.
  const auto file_of = [](const SourceItem& one) { return one.head.value_or(one.number); };
  const bool is_another_name = std::any_of(items_.begin(), items_.end(), [&](const SourceItem& one) {
    return one.number != note.entry && file_of(one) == file_of(*item) && leaves_.contains(one.number);
  });
  if (is_another_name && !leaves_.contains(note.entry)) throw_malformed();
  auto& leaves = leaves_[note.entry];
  const std::uint64_t there = item->size / kResumeUnit + (item->size % kResumeUnit != 0 ? 1 : 0);
  if (note.first != leaves.size() || note.leaves.size() > there - leaves.size()) throw_malformed();
  leaves.insert(leaves.end(), note.leaves.begin(), note.leaves.end());
}

void TreeSource::take(const LineNote& note) {
  if (!options_.hears_peer) throw_malformed();
  const auto& hear = note.listed ? options_.listed : options_.notice;
  const std::string text = printable(note.text, kMaxLine);
  if (hear) hear(note.listed || local_ ? text : peer_ + ": " + text);
}

void TreeSource::take(const FailedNote& note) {
  for (const std::uint64_t entry : note.entries) {
    if (entry >= counts_.entries) throw_malformed();
    if (options_.remove_source_files) removals_.keep(entry);
  }
}

void TreeSource::take(const TargetsNote& note) {
  for (const auto& [entry, identity] : note.targets) {
    if (entry >= counts_.entries) throw_malformed();
    if (options_.remove_source_files) removals_.add_target(entry, identity);
  }
}

void TreeSource::take(const ReportNote& note) { report_ = note; }

void TreeSource::tell(std::vector<std::string> lines) {
  for (std::string& line : lines) {
    if (!peer_hears_) {
      lines_.push_back(std::move(line));
    } else if (*peer_hears_) {
      append(LineRecord{line}, staged_);
    } else if (options_.notice) {
      options_.notice(line);
    }
  }
}

CopyReport TreeSource::report() const {
  CopyReport report = report_of(counts_, report_.value_or(ReportNote{}));
  report.stream_bytes = stream_bytes_;
  return report;
}

void TreeSource::throw_malformed() const {
  throw Error(Status::kDamaged, "send to " + peer_, "a malformed note");
}

}  // namespace rdpipe
