#include "tree/tree_sink.h"

#include <fmt/format.h>

#include <utility>

#include "ground/error.h"

namespace rdpipe {
namespace {

// Bytes of records. The entries of a sender's whole window, as long as their names are not.
constexpr std::size_t kMaxUndecided = 1_MiB;
constexpr std::size_t kMaxNotes = 10000;  // that the sender has not taken
// That wait, be it for one large file that is read back. While another is coming, none comes of a sender that
// plays by the rules.
constexpr std::size_t kManyEndings = 1U << 16;
constexpr std::size_t kMaxEndings = 1U << 20;
constexpr std::size_t kManyLarge = 32;     // large files that are being finished, each with its descriptors
constexpr std::uint8_t kSkippable = 0x80;  // of a record's type

}  // namespace

TreeSink::TreeSink(std::string destination, const CopyOptions& options, std::string peer,
                   std::shared_ptr<LocalFiles> local)
    : options_(options),
      peer_(std::move(peer)),
      local_(std::move(local)),
      name_(fmt::format("'{}'", printable(destination))),
      writer_(options_, cache_),
      deleter_(options_, writer_),
      decider_(std::move(destination), options_, writer_, deleter_),
      finisher_(options_, writer_, deleter_),
      progress_(options_) {}

TreeSink::~TreeSink() = default;

void TreeSink::start(Loop& loop, Ring& ring, std::optional<std::uint64_t> /*size*/) {
  loop_ = &loop;
  ring_ = &ring;
  note(StartNote{options_.hears_peer});
}

void TreeSink::write(Slot slot) {
  stream_bytes_ += slot.size();
  if (must_hold()) return held_.push_back({std::move(slot)});
  take_frame(std::move(slot));
}

void TreeSink::write_hole(Slot slot, std::uint64_t length) {
  if (must_hold()) return held_.push_back({std::move(slot), length});
  take_hole(std::move(slot), length);
}

// What is undecided is decided whatever the sender does: that it waits for its slots holds nothing up.
bool TreeSink::must_hold() const { return !held_.empty() || has_enough(); }

// Of records; content is not what it has too much of, but of large files that came in full. What is being
// finished, or waits for that, needs nothing that is held here.
bool TreeSink::has_enough() const {
  if (finishing_large_ > kManyLarge) return true;
  if (content_left_ > 0) return false;
  return undecided_.size() > kMaxUndecided || notes_.size() > kMaxNotes ||
         (endings_ > kManyEndings && receiving_ == nullptr);
}

void TreeSink::take_held() {
  while (!held_.empty() && !has_enough()) {
    HeldFrame frame = std::move(held_.front());
    held_.pop_front();
    if (frame.length > 0) {
      take_hole(std::move(frame.slot), frame.length);
    } else {
      take_frame(std::move(frame.slot));
    }
  }
}

void TreeSink::take_frame(Slot slot) {
  if (content_left_ > 0) {
    if (slot.size() > content_left_) throw_malformed("more content than it announced");
    content_left_ -= slot.size();
    progress_.now().bytes += slot.size();
    return receiving_->write(std::move(slot));
  }
  // The files of a frame are written before anything in it ends a directory.
  Step& step = steps_.emplace_back();
  reader_.add(slot.filled());
  while (const auto record = reader_.next()) take(*record, step.files);
  if (reader_.malformed()) throw_malformed();
  step.complete = step.files.empty();
  if (!step.complete) step.slot = std::move(slot);
}

void TreeSink::take_hole(Slot slot, std::uint64_t length) {
  if (length > content_left_) throw_malformed("more content than it announced");
  content_left_ -= length;
  progress_.now().bytes += length;
  receiving_->write_hole(std::move(slot), length);
}

void TreeSink::take(const RawRecord& record, std::vector<SmallFile>& files) {
  if (content_left_ > 0) throw_malformed("a record where content is due");
  if (end_) throw_malformed("something behind the end");
  switch (record.type) {
    case RecordType::kBegin:
    case RecordType::kIdentity:
    case RecordType::kKeep:
      return add_undecided(record);
    case RecordType::kEntry:
      ++entries_;
      return add_undecided(record);
    case RecordType::kFile:
      return take_file(record, files);
    case RecordType::kLocal:
      return take_local(record, files);
    case RecordType::kData:
      return take_data(record);
    case RecordType::kSame:
      return take_same(record);
    case RecordType::kEndFile:
      return take_end_file(record);
    case RecordType::kLink:
      return take_link(record);
    case RecordType::kDirectoryEnd:
      return take_directory_end(record);
    case RecordType::kEnd:
      return take_end(record);
    case RecordType::kLine:
      return take_line(record);
    case RecordType::kListed:
      all_listed_ = true;
      return;
  }
  if ((static_cast<std::uint8_t>(record.type) & kSkippable) == 0) throw_malformed("an unknown record");
}

void TreeSink::add_undecided(const RawRecord& record) {
  ++records_;
  append(record, undecided_);
}

WantedFile TreeSink::claim(std::uint64_t entry) {
  auto node = wanted_.extract(entry);
  if (!node) throw_malformed("a file that was not asked for");
  node.mapped().directory->touched = true;
  return std::move(node.mapped());
}

void TreeSink::take_file(const RawRecord& record, std::vector<SmallFile>& files) {
  const auto file = decode_file(record.body);
  if (!file || !reader_.in_frame() || receiving_ != nullptr) throw_malformed();
  WantedFile wanted = claim(file->entry);
  wanted.attributes.seconds = file->seconds;
  wanted.attributes.nanoseconds = file->nanoseconds;
  progress_.now().bytes += file->content.size();
  if (file->status == FileStatus::kUnreadable) is_missing_content_ = true;
  files.push_back({std::move(wanted), file->status, file->content});
}

void TreeSink::take_local(const RawRecord& record, std::vector<SmallFile>& files) {
  const auto range = decode_range(record.body);
  if (!range || !local_ || receiving_ != nullptr) throw_malformed();
  SmallFile file{claim(range->entry), FileStatus::kWhole, {}, local_->take(range->entry)};
  if (!file.local) throw_malformed();
  file.wanted.size = range->length;
  files.push_back(std::move(file));
}

LargeSink& TreeSink::large_of(std::uint64_t entry) {
  if (receiving_ == nullptr) {
    Step& step = steps_.emplace_back();
    step.large = std::make_unique<LargeSink>(claim(entry), writer_);
    receiving_ = step.large.get();
    receiving_->start(*loop_, *ring_);
  }
  if (receiving_->wanted().entry != entry) throw_malformed("two files at once");
  return *receiving_;
}

void TreeSink::take_data(const RawRecord& record) {
  const auto range = decode_range(record.body);
  if (!range || !reader_.at_frame_end()) throw_malformed();
  if (!large_of(range->entry).begin_data(range->offset)) throw_malformed();
  content_left_ = range->length;
}

void TreeSink::take_same(const RawRecord& record) {
  const auto range = decode_range(record.body);
  if (!range) throw_malformed();
  LargeSink& large = large_of(range->entry);
  if (!large.begin_data(range->offset) || !large.keep(range->length)) throw_malformed();
  progress_.now().bytes += range->length;
  progress_.now().found_bytes += range->length;
}

void TreeSink::take_end_file(const RawRecord& record) {
  const auto end = decode_end_file(record.body);
  if (!end) throw_malformed();
  if (!large_of(end->entry).end(*end)) throw_malformed("a file of another size");
  if (end->status == FileStatus::kUnreadable) is_missing_content_ = true;
  receiving_ = nullptr;
  ++finishing_large_;
}

void TreeSink::take_link(const RawRecord& record) {
  const auto link = decode_link(record.body);
  if (!link) throw_malformed();
  add_ending({.is_link = true, .number = link->entry});
}

void TreeSink::take_directory_end(const RawRecord& record) {
  const auto end = decode_directory_end(record.body);
  if (!end) throw_malformed();
  add_undecided(record);
  add_ending({.complete = end->complete && !is_missing_content_, .number = end->directory});
}

void TreeSink::take_end(const RawRecord& record) {
  end_ = decode_end(record.body);
  if (!end_ || receiving_ != nullptr) throw_malformed();
}

void TreeSink::take_line(const RawRecord& record) {
  const auto line = decode_line(record.body);
  if (!line || !options_.hears_peer) throw_malformed();
  if (!options_.notice) return;
  const std::string text = printable(line->text, kMaxLine);
  options_.notice(local_ ? text : peer_ + ": " + text);
}

// Behind what is waiting already of the same frame: of another, a step would wait for more and more.
void TreeSink::add_ending(Ending ending) {
  if (++endings_ > kMaxEndings) throw_malformed("more than what it has sent allows to end");
  if (steps_.empty() || steps_.back().endings.empty() || steps_.back().started) steps_.emplace_back();
  steps_.back().endings.push_back(ending);
  steps_.back().needs = records_;
}

FinishStep TreeSink::resolve(const Ending& ending) {
  --endings_;
  if (ending.is_link) {
    auto node = links_.extract(ending.number);
    if (!node) throw_malformed("a hard link that was not listed");
    node.mapped().directory->touched = true;
    LinkStep step{std::move(node.mapped()), {}};
    const auto head = heads_.find(step.link.head);
    if (head != heads_.end()) step.head = head->second;
    return step;
  }
  auto node = directories_.extract(ending.number);
  if (!node) throw_malformed("the end of a directory that was not listed");
  return DirectoryStep{std::move(node.mapped()), ending.complete};
}

void TreeSink::throw_malformed(const std::string& cause) const {
  throw Error(Status::kDamaged, "receive from " + peer_, "the sender sent " + cause);
}

}  // namespace rdpipe
