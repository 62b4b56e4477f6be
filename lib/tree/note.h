// What the receiver of a tree tells its sender while the stream runs, inside the session's notes: bytes in,
// values out, no I/O. A note is a type u8 and fields (tree/packing.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "seal/digest.h"
#include "tree/copy.h"
#include "tree/record.h"

namespace rdpipe {

enum class TreeVerdict : std::uint8_t { kSkip = 0, kSend = 1, kResume = 2 };

// The first note. Type 1: version u8, hears u8 (0 or 1).
struct StartNote {
  bool hears_peer = false;              // the receiver's end wants the sender's lines
  std::uint8_t version = kTreeVersion;  // of another one nothing else is known
};
// What is wanted of the next files in order of entries (regular ones). Type 2: until its
// end, a number each: how many times, times 4, plus the verdict. kResume: LEAVES of that entry came before.
struct VerdictNote {
  struct Run {
    TreeVerdict verdict{};
    std::uint64_t count = 0;
    bool operator==(const Run&) const = default;
  };
  std::vector<Run> runs;
};
// What the receiver has of a file. Type 3: entry number, leaf number of the first, then 16 bytes each:
// XXH3-128 of each 1 MiB.
struct LeavesNote {
  std::uint64_t entry = 0, first = 0;
  std::vector<Digest128> leaves;
};
// Something for the user. Type 4: listed u8 (0: a failure, 1: of --itemize and the like), text.
struct LineNote {
  bool listed = false;
  std::string text;
};
// Entries that are not in place, because they failed or were to be left as they are: their sources must not
// be removed. Type 5: numbers.
struct FailedNote {
  std::vector<std::uint64_t> entries;
};
// What was there of entries, on a host that is the sender's too: a source that is its own target must not be
// removed. Type 7: until its end, entry, device and inode numbers each.
struct FileIdentity {
  std::uint64_t device = 0, inode = 0;
  bool operator==(const FileIdentity&) const = default;
};
struct TargetsNote {
  struct Target {
    std::uint64_t entry = 0;
    FileIdentity identity{};
  };
  std::vector<Target> targets;
};
// What became of it all; the last note. Type 6: files_moved, bytes_moved, bytes_reused, created, linked,
// deleted, undeleted, failed, all numbers.
struct ReportNote {
  std::uint64_t files_moved = 0, bytes_moved = 0, bytes_reused = 0, created = 0, linked = 0, deleted = 0;
  std::uint64_t undeleted = 0, failed = 0;
};

using TreeNote =
    std::variant<StartNote, VerdictNote, LeavesNote, LineNote, FailedNote, TargetsNote, ReportNote>;

constexpr std::size_t kMaxLeavesInNote = 500;
constexpr std::size_t kMaxRunsInNote = 800;
constexpr std::size_t kMaxEntriesInNote = 800;
constexpr std::size_t kMaxTargetsInNote = 250;

[[nodiscard]] std::vector<std::byte> encode(
    const TreeNote& note);  // at most kMaxNote bytes within the limits above
[[nodiscard]] std::optional<TreeNote> decode_note(std::span<const std::byte> bytes);  // nothing: malformed

// What both ends have counted, in one.
[[nodiscard]] CopyReport report_of(const EndRecord& sender, const ReportNote& receiver);

}  // namespace rdpipe
