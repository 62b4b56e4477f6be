// What a TreeSink does with what has come: decisions, jobs, and the end.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "ground/error.h"
#include "io/workers.h"
#include "tree/tree_sink.h"

namespace rdpipe {
namespace {

constexpr std::size_t kMaxRunning = 2;        // jobs that write small files
constexpr std::size_t kMaxWanted = 1U << 17;  // files that were asked for: no sender has a window so large

std::string path_of(const WantedFile& wanted) {
  return fmt::format("'{}'", printable(wanted.directory->directory->path_of(wanted.name)));
}

// It is in place, and hard links may lead to it.
void add_incomplete(const WantedFile& wanted, const EntryError& lacking, FinishResult& result) {
  ++result.counts.failed;
  result.incomplete.push_back(wanted.entry);
  result.lines.push_back(
      {false, fmt::format("{}: {} (its content is in place)", path_of(wanted), cause_of(lacking))});
}

}  // namespace

void TreeSink::poll() {
  collect_decision();
  advance_steps();
  decide();
  take_held();
  commit();
}

void TreeSink::tell_progress(const StreamProgress& stream) {
  progress_.now().bytes += copied_.exchange(0);
  progress_.now().total_known = ended_all_ || (all_listed_ && decided_ == entries_);
  progress_.set_stream(stream);
  if (receiving_ != nullptr) {
    const WantedFile& wanted = receiving_->wanted();
    progress_.set_file(printable(wanted.directory->directory->path_of(wanted.name)),
                       receiving_->moved() + receiving_->reused(), wanted.size);
  } else {
    progress_.set_file({}, 0, 0);
  }
  progress_.tell();
}

void TreeSink::decide() {
  if (!decide_.idle() || undecided_.empty()) return;
  if (wanted_.size() + links_.size() > kMaxWanted) throw_malformed("more than it has sent what it listed");
  deciding_ = std::exchange(undecided_, {});
  deciding_entries_ = entries_;
  deciding_records_ = records_;
  loop_->run(decide_, [this]() -> std::int64_t {
    decision_ = decider_.decide(deciding_);
    return 0;
  });
}

void TreeSink::collect_decision() {
  if (!decide_.done()) return;
  decide_.take();
  Decision decision = std::move(decision_);
  decided_ = deciding_entries_;
  decided_records_ = deciding_records_;
  if (decision.begin) {
    peer_hears_ = decision.begin->hears_peer;
    shows_ = *peer_hears_ ? decision.begin->lists : static_cast<bool>(options_.listed);
  }
  for (auto& directory : decision.directories) directories_.emplace(directory->number, std::move(directory));
  for (auto& [entry, head] : decision.heads) heads_.emplace(entry, std::move(head));
  for (WantedLink& link : decision.links) links_.emplace(link.entry, std::move(link));
  for (WantedFile& file : decision.wanted) wanted_.emplace(file.entry, std::move(file));
  tell_unplaced(decision.unplaced);
  for (LeavesNote& leaves : decision.leaves) note(leaves);
  in_notes<TargetsNote>(decision.targets, kMaxTargetsInNote);
  in_notes<VerdictNote>(decision.runs, kMaxRunsInNote);
  progress_.now().total_files = decided_;
  progress_.now().total_bytes += decision.file_bytes;
  count({.lines = std::move(decision.lines), .counts = decision.counts});
}

void TreeSink::advance_steps() {
  for (Step& step : steps_) collect(step);
  while (!steps_.empty() && steps_.front().complete) steps_.pop_front();
  std::size_t running = 0;
  for (Step& step : steps_) {
    if (step.large || step.complete) continue;
    if (!step.started && !step.files.empty() && running < kMaxRunning) start(step);
    if (step.started && !step.files.empty()) ++running;
  }
  // What ends a directory waits for all that came before it, and for its own record: only then does nobody
  // add to its names any more.
  if (steps_.empty() || steps_.front().endings.empty() || steps_.front().started) return;
  if (steps_.front().needs <= decided_records_) start(steps_.front());
}

void TreeSink::start(Step& step) {
  step.started = true;
  for (const Ending& ending : step.endings) step.finishes.push_back(resolve(ending));
  loop_->run(step.running, [this, &step]() -> std::int64_t {
    step.result = step.files.empty() ? finisher_.finish(step.finishes, shows_) : write_files(step);
    return 0;
  });
}

void TreeSink::collect(Step& step) {
  if (step.large) return collect_large(step);
  if (!step.running.done()) return;
  step.running.take();
  count(step.result);
  progress_.now().files += step.files.size() + step.finishes.size();
  step.slot = Slot();  // home at once, whatever is still under way before it
  step.files.clear();
  step.finishes.clear();
  step.complete = true;
}

void TreeSink::collect_large(Step& step) {
  LargeSink& large = *step.large;
  large.poll();
  if (!large.done() || step.complete) return;
  FinishResult result;
  if (large.in_place()) {
    ++result.counts.files_moved;
    result.counts.bytes_moved = large.moved();
    result.counts.bytes_reused = large.reused();
    if (large.wanted().changes.created) ++result.counts.created;
    if (auto line = line_of(large.wanted(), large.moved())) result.lines.push_back(std::move(*line));
    if (large.lacking()) add_incomplete(large.wanted(), *large.lacking(), result);
  } else {
    result.unplaced.push_back(large.wanted().entry);
    if (large.failed()) ++result.counts.failed;
    if (large.failed()) result.lines.push_back({false, large.failure()});
  }
  count(result);
  ++progress_.now().files;
  --finishing_large_;
  step.large.reset();  // its descriptors go at once, whatever is still under way before it
  step.complete = true;
}

// On a worker.
FinishResult TreeSink::write_files(const Step& step) {
  FinishResult result;
  for (const SmallFile& file : step.files) {
    if (is_unwanted()) break;
    const WantedFile& wanted = file.wanted;
    if (file.status != FileStatus::kWhole) {  // the sender has said why
      result.unplaced.push_back(wanted.entry);
      continue;
    }
    try {
      const std::uint64_t size = file.local ? wanted.size : file.content.size();
      const auto lacking = file.local ? writer_.copy_file(wanted, file.local->get(), copied_)
                                      : writer_.write_file(wanted, file.content);
      ++result.counts.files_moved;
      result.counts.bytes_moved += size;
      if (wanted.changes.created) ++result.counts.created;
      if (auto line = line_of(wanted, size)) result.lines.push_back(std::move(*line));
      if (lacking) add_incomplete(wanted, *lacking, result);
    } catch (const EntryError& error) {
      const std::string path = path_of(wanted), cause = cause_of(error);
      if (is_fatal(error)) throw Error(Status::kFileIo, "store " + path, cause);
      ++result.counts.failed;
      result.unplaced.push_back(wanted.entry);
      result.lines.push_back({false, fmt::format("{}: {}", path, cause)});
    }
  }
  return result;
}

std::optional<LineNote> TreeSink::line_of(const WantedFile& wanted, std::uint64_t moved) const {
  if (!shows_) return {};
  ListedEntry listed;
  listed.update = peer_hears_.value_or(false) ? '<' : '>';
  listed.type = EntryType::kFile;
  listed.path = wanted.directory->directory->relative_of(wanted.name);
  listed.size = wanted.size;
  listed.moved = moved;
  listed.attributes = wanted.attributes;
  listed.changes = wanted.changes;
  return LineNote{true, format_line(options_.out_format, listed)};
}

void TreeSink::count(const FinishResult& result) {
  const ReportNote& more = result.counts;
  counts_.files_moved += more.files_moved;
  counts_.bytes_moved += more.bytes_moved;
  counts_.bytes_reused += more.bytes_reused;
  counts_.created += more.created;
  counts_.linked += more.linked;
  counts_.deleted += more.deleted;
  counts_.undeleted += more.undeleted;
  counts_.failed += more.failed;
  for (const std::uint64_t entry : result.unplaced)
    heads_.erase(entry);  // what is there is not what links are to lead to
  tell_unplaced(result.unplaced);
  tell_unplaced(result.incomplete);
  tell(result.lines);
}

// As many notes as it takes.
template <typename Note, typename Value>
void TreeSink::in_notes(const std::vector<Value>& values, std::size_t most) {
  for (std::size_t from = 0; from < values.size(); from += most) {
    const auto begin = values.begin() + static_cast<std::ptrdiff_t>(from);
    note(Note{{begin, begin + static_cast<std::ptrdiff_t>(std::min(most, values.size() - from))}});
  }
}

void TreeSink::tell_unplaced(const std::vector<std::uint64_t>& entries) {
  if (options_.remove_source_files) in_notes<FailedNote>(entries, kMaxEntriesInNote);
}

void TreeSink::tell(const std::vector<LineNote>& lines) {
  for (const LineNote& line : lines) {
    if (peer_hears_.value_or(false)) {
      note(line);
      continue;
    }
    const auto& hear = line.listed ? options_.listed : options_.notice;
    if (hear) hear(line.text);
  }
}

std::optional<std::vector<std::byte>> TreeSink::take_note() {
  if (notes_.empty()) return {};
  auto bytes = std::move(notes_.front());
  notes_.pop_front();
  return bytes;
}

void TreeSink::finish() {
  finishing_ = true;
  commit();
}

void TreeSink::commit() {
  if (!finishing_ || committed_ || !held_.empty()) return;
  const bool whole = end_ && reader_.at_frame_end() && content_left_ == 0 && receiving_ == nullptr;
  if (!whole) throw_malformed("an end in the middle of a tree");
  if (!steps_.empty() || !decide_.idle() || !undecided_.empty()) return;
  if (!wanted_.empty()) throw_malformed("less than it has listed");
  if (!end_->lists_as(decider_.listed())) throw_malformed("other counts than those of what it has listed");
  if (ending_all_.idle() && !ended_all_ && has_more_to_do()) {
    return loop_->run(ending_all_, [this]() -> std::int64_t { return end_all(); });
  }
  if (!ending_all_.idle()) {
    if (!ending_all_.done()) return;
    const std::int64_t result = ending_all_.take();
    if (result < 0) throw_errno(static_cast<int>(-result), Status::kFileIo, "store " + name_);
    count(last_result_);
  }
  ended_all_ = true;
  progress_.now().total_known = true;
  progress_.now().files = progress_.now().total_files;
  progress_.now().bytes += copied_.exchange(0);
  progress_.tell();
  note(counts_);
  committed_ = true;
}

bool TreeSink::has_more_to_do() const {
  const bool has_base = decider_.base() && (decider_.base()->touched || !options_.partial_dir.empty());
  return !options_.dry_run && (options_.fsync || has_base || finisher_.has_more());
}

// -errno, for the loop.
std::int64_t TreeSink::end_all() {
  if (decider_.base()) finisher_.clean(*decider_.base());
  last_result_ = finisher_.end();
  return options_.fsync ? -writer_.sync() : 0;
}

CopyReport TreeSink::report() const {
  CopyReport report = report_of(end_.value_or(EndRecord{}), counts_);
  report.stream_bytes = stream_bytes_;
  return report;
}

}  // namespace rdpipe
