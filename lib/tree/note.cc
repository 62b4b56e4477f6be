#include "tree/note.h"

#include <algorithm>
#include <array>

#include "tree/content.h"
#include "tree/packing.h"
#include "tree/record.h"

namespace rdpipe {
namespace {

enum class Type : std::uint8_t { kStart = 1, kVerdicts, kLeaves, kLine, kFailed, kReport, kTargets };

constexpr unsigned kVerdictBits = 2;
constexpr std::uint64_t kMaxRun = std::uint64_t{1} << 60;

template <typename Report>
auto fields_of(Report& report) {
  return std::array{&report.files_moved, &report.bytes_moved, &report.bytes_reused, &report.created,
                    &report.linked,      &report.deleted,     &report.undeleted,    &report.failed};
}

void put(Packer& packer, const StartNote& note) {
  packer.byte(static_cast<std::uint8_t>(Type::kStart));
  packer.byte(note.version);
  packer.byte(note.hears_peer ? 1 : 0);
}

void put(Packer& packer, const VerdictNote& note) {
  packer.byte(static_cast<std::uint8_t>(Type::kVerdicts));
  for (const auto& run : note.runs) {
    packer.number((run.count << kVerdictBits) | static_cast<std::uint64_t>(run.verdict));
  }
}

void put(Packer& packer, const LeavesNote& note) {
  packer.byte(static_cast<std::uint8_t>(Type::kLeaves));
  packer.number(note.entry);
  packer.number(note.first);
  for (const Digest128& leaf : note.leaves) packer.raw(leaf);
}

void put(Packer& packer, const LineNote& note) {
  packer.byte(static_cast<std::uint8_t>(Type::kLine));
  packer.byte(note.listed ? 1 : 0);
  packer.text(std::string_view(note.text).substr(0, kMaxLine));
}

void put(Packer& packer, const FailedNote& note) {
  packer.byte(static_cast<std::uint8_t>(Type::kFailed));
  for (const std::uint64_t entry : note.entries) packer.number(entry);
}

void put(Packer& packer, const TargetsNote& note) {
  packer.byte(static_cast<std::uint8_t>(Type::kTargets));
  for (const auto& [entry, identity] : note.targets) {
    packer.number(entry);
    packer.number(identity.device);
    packer.number(identity.inode);
  }
}

void put(Packer& packer, const ReportNote& note) {
  packer.byte(static_cast<std::uint8_t>(Type::kReport));
  for (const std::uint64_t* field : fields_of(note)) packer.number(*field);
}

std::optional<TreeNote> get_start(Unpacker& unpacker) {
  const std::uint8_t version = unpacker.byte();
  const std::uint8_t hears = unpacker.byte();
  if (version != kTreeVersion) return StartNote{.version = version};
  if (hears > 1 || !unpacker.complete()) return {};
  return StartNote{hears == 1};
}

std::optional<TreeNote> get_verdicts(Unpacker& unpacker) {
  VerdictNote note;
  while (unpacker.ok() && !unpacker.rest().empty()) {
    const std::uint64_t word = unpacker.number(kMaxRun);
    const std::uint64_t verdict = word & ((1U << kVerdictBits) - 1);
    const std::uint64_t count = word >> kVerdictBits;
    if (verdict > static_cast<std::uint64_t>(TreeVerdict::kResume) || count == 0) return {};
    note.runs.push_back({static_cast<TreeVerdict>(verdict), count});
  }
  if (!unpacker.complete()) return {};
  return note;
}

std::optional<TreeNote> get_leaves(Unpacker& unpacker) {
  LeavesNote note;
  note.entry = unpacker.number();
  note.first = unpacker.number(kMaxFileSize / kResumeUnit);
  while (unpacker.ok() && !unpacker.rest().empty()) {
    Digest128& leaf = note.leaves.emplace_back();
    const auto bytes = unpacker.raw(leaf.size());
    std::copy(bytes.begin(), bytes.end(), leaf.begin());
  }
  if (!unpacker.complete()) return {};
  return note;
}

std::optional<TreeNote> get_line(Unpacker& unpacker) {
  const std::uint8_t listed = unpacker.byte();
  LineNote note{listed == 1, std::string(unpacker.text(kMaxLine))};
  if (listed > 1 || !unpacker.complete()) return {};
  return note;
}

std::optional<TreeNote> get_failed(Unpacker& unpacker) {
  FailedNote note;
  while (unpacker.ok() && !unpacker.rest().empty()) note.entries.push_back(unpacker.number());
  if (!unpacker.complete()) return {};
  return note;
}

std::optional<TreeNote> get_targets(Unpacker& unpacker) {
  TargetsNote note;
  while (unpacker.ok() && !unpacker.rest().empty()) {
    TargetsNote::Target& target = note.targets.emplace_back();
    target.entry = unpacker.number();
    target.identity.device = unpacker.number();
    target.identity.inode = unpacker.number();
  }
  if (!unpacker.complete()) return {};
  return note;
}

std::optional<TreeNote> get_report(Unpacker& unpacker) {
  ReportNote note;
  for (std::uint64_t* field : fields_of(note)) *field = unpacker.number();
  if (!unpacker.complete()) return {};
  return note;
}

}  // namespace

std::vector<std::byte> encode(const TreeNote& note) {
  std::vector<std::byte> bytes;
  Packer packer(bytes);
  std::visit([&](const auto& alternative) { put(packer, alternative); }, note);
  return bytes;
}

std::optional<TreeNote> decode_note(std::span<const std::byte> bytes) {
  Unpacker unpacker(bytes);
  switch (static_cast<Type>(unpacker.byte())) {
    case Type::kStart:
      return get_start(unpacker);
    case Type::kVerdicts:
      return get_verdicts(unpacker);
    case Type::kLeaves:
      return get_leaves(unpacker);
    case Type::kLine:
      return get_line(unpacker);
    case Type::kFailed:
      return get_failed(unpacker);
    case Type::kReport:
      return get_report(unpacker);
    case Type::kTargets:
      return get_targets(unpacker);
  }
  return {};
}

CopyReport report_of(const EndRecord& sender, const ReportNote& receiver) {
  CopyReport report;
  report.entries = sender.entries;
  report.files = sender.files;
  report.directories = sender.directories;
  report.symlinks = sender.symlinks;
  report.specials = sender.specials;
  report.file_bytes = sender.file_bytes;
  report.files_moved = receiver.files_moved;
  report.bytes_moved = receiver.bytes_moved;
  report.bytes_reused = receiver.bytes_reused;
  report.created = receiver.created;
  report.linked = receiver.linked;
  report.deleted = receiver.deleted;
  report.undeleted = receiver.undeleted;
  report.failed = sender.failed + receiver.failed;
  report.vanished = sender.vanished;
  return report;
}

}  // namespace rdpipe
