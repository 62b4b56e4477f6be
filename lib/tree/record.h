// The records of a tree, of which its stream consists: bytes in, values out, no I/O.
//
// A record is the number of bytes that follow, a type u8, and fields (tree/packing.h). Records stand one
// after another and may go across frames, but a FILE lies within one frame. Behind DATA, which ends its
// frame, come the `length` bytes it announces in frames of their own (or as holes). A type with the top bit
// set may be skipped by who does not know it; any other unknown one makes the stream malformed, as does
// everything out of place.
//
// BEGIN, then entries depth first: an ENTRY stands behind that of its directory. Entries are counted from 0,
// directories from 1 in the order of their entries; directory 0 is the destination. Of each regular file the
// receiver says in a note whether it wants it (of a link to an earlier entry: because nothing is in place
// that it could be linked to); the sender answers in order of entries with FILE, or with DATA and SAME and
// END_FILE. DIRECTORY_END and the LINK of what was not wanted as a file come in the same order. END is the
// last.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "seal/digest.h"
#include "tree/packing.h"

namespace rdpipe {

constexpr std::uint8_t kTreeVersion = 2;
[[noreturn]] void throw_other_version(const std::string& attempt, unsigned version);
constexpr std::size_t kMaxRecord = 1_MiB;      // bytes of a record that goes across frames
constexpr std::size_t kMaxName = 255;          // bytes of one component
constexpr std::size_t kMaxLinkTarget = 4096;   // bytes
constexpr std::size_t kMaxXattrValue = 65536;  // bytes, as the kernel
constexpr std::size_t kMaxXattrs = 4096;       // of an entry, and bytes of them all, each with a few more
constexpr std::size_t kMaxXattrBytes = kMaxRecord - 8_KiB;
constexpr std::size_t kMaxLine = 8000;  // bytes of a text for the user; less than a note may have
constexpr std::uint64_t kMaxFileSize = (std::uint64_t{1} << 63) - 1;

enum class RecordType : std::uint8_t {
  kBegin = 1,
  kIdentity = 2,
  kEntry = 3,
  kKeep = 4,
  kFile = 5,
  kData = 6,
  kSame = 7,
  kEndFile = 8,
  kLink = 9,
  kDirectoryEnd = 10,
  kEnd = 11,
  kLocal = 13,
  kLine = 0x80 | 12,
  kListed = 0x80 | 14,
};

// BEGIN: version u8, hears u8, lists u8 (0 or 1), sources number, host 16 bytes.
struct BeginRecord {
  bool hears_peer = false;              // the sender's end wants the receiver's lines
  bool lists = false;                   // ... also those of what is copied
  std::uint64_t sources = 0;            // that the user named, patterns expanded
  Digest128 host{};                     // this_host() of the sender
  std::uint8_t version = kTreeVersion;  // of another one nothing else is known
};
// IDENTITY: group u8 (0 or 1), id number, name. Before the first entry that has the id.
struct IdentityRecord {
  bool group = false;
  std::uint32_t id = 0;
  std::string_view name;
};

enum class EntryType : std::uint8_t {
  kFile = 1,
  kDirectory = 2,
  kSymlink = 3,
  kFifo = 4,
  kSocket = 5,
  kCharacter = 6,
  kBlock = 7,
};
struct Xattr {
  std::string_view name, value;
};
// ENTRY: type u8 (low three bits: EntryType; 0x08 it has holes, 0x10 xattrs follow, 0x20 a link to `head`,
// 0x40 later entries are links to this one, 0x80 a digest follows), parent number, name, mode number, uid
// number, gid number, seconds signed, nanoseconds number, then of files size number, of devices major and
// minor numbers, of symlinks target, of links head number, digest 16 bytes, number of xattrs, and of each
// name and value. Bit 0x1000 of the mode: the xattrs could not be sent, ACLs apart.
struct EntryRecord {
  EntryType type{};
  std::uint64_t parent = 0;  // its directory
  std::string_view name;     // "." only beneath directory 0: the destination itself
  std::uint32_t mode = 0;    // 07777 at most
  std::uint32_t uid = 0, gid = 0;
  std::int64_t seconds = 0;  // of its last modification
  std::uint32_t nanoseconds = 0;
  std::uint64_t size = 0;
  std::uint32_t device_major = 0, device_minor = 0;
  std::string_view target;
  bool is_head = false;
  bool has_holes = false;             // of a file
  std::optional<std::uint64_t> head;  // the entry that it is a hard link to
  std::optional<Digest128> digest;    // the stream digest of its content
  std::vector<Xattr> xattrs;          // ACLs among them
  bool lacks_xattrs = false;          // ... but the others could not be sent

  // A file that is no link to an earlier entry.
  [[nodiscard]] bool has_content() const { return type == EntryType::kFile && !head; }
};
// KEEP: parent number, name. Is in the source and is not copied: not to be deleted.
struct KeepRecord {
  std::uint64_t parent = 0;
  std::string_view name;
};

enum class FileStatus : std::uint8_t { kWhole = 0, kChanged = 1, kUnreadable = 2, kVanished = 3 };

// FILE: entry number, status u8, seconds signed, nanoseconds number, then the content (of kWhole alone).
struct FileRecord {
  std::uint64_t entry = 0;
  FileStatus status{};
  std::int64_t seconds = 0;
  std::uint32_t nanoseconds = 0;
  std::span<const std::byte> content;
};
// DATA, SAME and LOCAL: entry number, offset number, length number. SAME: the receiver has these bytes.
// LOCAL: instead of all others, where both ends are one process: the whole file is passed on open.
struct RangeRecord {
  std::uint64_t entry = 0, offset = 0, length = 0;
};
// END_FILE: entry number, status u8, size number, seconds signed, nanoseconds number.
struct EndFileRecord {
  std::uint64_t entry = 0;
  FileStatus status{};
  std::uint64_t size = 0;
  std::int64_t seconds = 0;
  std::uint32_t nanoseconds = 0;
};
// LINK: entry number. What it is a link to has been sent, or was not wanted.
struct LinkRecord {
  std::uint64_t entry = 0;
};
// DIRECTORY_END: directory number, complete u8 (0 or 1). Everything beneath it was sent.
struct DirectoryEndRecord {
  std::uint64_t directory = 0;
  bool complete = false;  // it was read in full: what else is at the receiver is not in the source
};
// END: entries, files, directories, symlinks, specials, file_bytes, failed, vanished, all numbers.
struct EndRecord {
  std::uint64_t entries = 0, files = 0, directories = 0, symlinks = 0, specials = 0, file_bytes = 0;
  std::uint64_t failed = 0, vanished = 0;

  void add(const EntryRecord& entry);
  // Whether both are of as many entries, whatever failed besides.
  [[nodiscard]] bool lists_as(const EndRecord& other) const;
};
// LINE: text. Something for the user, where the receiver's end hears.
struct LineRecord {
  std::string_view text;
};

void append(const BeginRecord& record, std::vector<std::byte>& out);
void append(const IdentityRecord& record, std::vector<std::byte>& out);
void append(const EntryRecord& record, std::vector<std::byte>& out);
void append(const KeepRecord& record, std::vector<std::byte>& out);
void append(RecordType type, const RangeRecord& record, std::vector<std::byte>& out);
void append(const EndFileRecord& record, std::vector<std::byte>& out);
void append(const LinkRecord& record, std::vector<std::byte>& out);
void append(const DirectoryEndRecord& record, std::vector<std::byte>& out);
void append(const EndRecord& record, std::vector<std::byte>& out);
void append(const LineRecord& record, std::vector<std::byte>& out);
// LISTED: no ENTRY follows.
void append_listed(std::vector<std::byte>& out);

// What stands in front of a FILE's content, and room for it; the content's length is known last.
constexpr std::size_t kMaxFileHead = 40;  // bytes
// Writes the head of a FILE with `content` bytes to come behind it; returns its size.
std::size_t write_file_head(const FileRecord& record, std::size_t content,
                            std::span<std::byte, kMaxFileHead> out);
// The size that head will have.
[[nodiscard]] std::size_t file_head_size(std::uint64_t entry, std::int64_t seconds,
                                         std::uint32_t nanoseconds);

// A record's type and the bytes behind it.
struct RawRecord {
  RecordType type{};
  std::span<const std::byte> body;
};

// The same record again, as it stands in a stream.
void append(const RawRecord& record, std::vector<std::byte>& out);

// Nothing for a malformed body. What is returned points into `body`.
[[nodiscard]] std::optional<BeginRecord> decode_begin(std::span<const std::byte> body);
[[nodiscard]] std::optional<IdentityRecord> decode_identity(std::span<const std::byte> body);
[[nodiscard]] std::optional<EntryRecord> decode_entry(std::span<const std::byte> body);
[[nodiscard]] std::optional<KeepRecord> decode_keep(std::span<const std::byte> body);
[[nodiscard]] std::optional<FileRecord> decode_file(std::span<const std::byte> body);
[[nodiscard]] std::optional<RangeRecord> decode_range(std::span<const std::byte> body);
[[nodiscard]] std::optional<EndFileRecord> decode_end_file(std::span<const std::byte> body);
[[nodiscard]] std::optional<LinkRecord> decode_link(std::span<const std::byte> body);
[[nodiscard]] std::optional<DirectoryEndRecord> decode_directory_end(std::span<const std::byte> body);
[[nodiscard]] std::optional<EndRecord> decode_end(std::span<const std::byte> body);
[[nodiscard]] std::optional<LineRecord> decode_line(std::span<const std::byte> body);

// A single component: not empty, not "." or "..", without '/' and NUL, at most 255 bytes.
[[nodiscard]] bool is_component(std::string_view name);

// Takes records off frames. Holds less than one record between frames.
class RecordReader {
 public:
  void add(std::span<const std::byte> frame);  // the last one is used up, and stays in place until it is
  // The next whole record; nothing when another frame is needed, or for good when malformed().
  [[nodiscard]] std::optional<RawRecord> next();
  // Whether the last record lies within the last frame as a whole.
  [[nodiscard]] bool in_frame() const { return in_frame_; }
  // Whether the last record was the last thing in its frame.
  [[nodiscard]] bool at_frame_end() const { return frame_.empty() && carried_.empty(); }
  [[nodiscard]] bool malformed() const { return malformed_; }

 private:
  [[nodiscard]] std::optional<RawRecord> next_in_frame();
  [[nodiscard]] std::optional<RawRecord> next_carried();

  std::span<const std::byte> frame_;  // what is left of it
  std::vector<std::byte> carried_;    // the beginning of a record whose end comes with a later frame
  std::vector<std::byte> assembled_;  // such a record, whole
  bool in_frame_ = false;
  bool malformed_ = false;
};

}  // namespace rdpipe
