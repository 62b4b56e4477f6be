#include "tree/record.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <tuple>

#include "ground/error.h"

namespace rdpipe {
namespace {

constexpr std::uint8_t kTypeMask = 0x07;
constexpr std::uint8_t kHasHoles = 0x08;
constexpr std::uint8_t kHasXattrs = 0x10;
constexpr std::uint8_t kIsLink = 0x20;
constexpr std::uint8_t kIsHead = 0x40;
constexpr std::uint8_t kHasDigest = 0x80;
constexpr std::uint64_t kMaxId = 0xFFFFFFFF;
constexpr std::uint64_t kMaxNanoseconds = 999999999;
constexpr std::uint64_t kLacksXattrs = 0x1000;  // of the mode

// A record whose length is written when it is complete.
template <typename Body>
void append_record(RecordType type, std::vector<std::byte>& out, Body body) {
  const std::size_t start = out.size();
  out.resize(start + kPaddedSize);
  Packer packer(out);
  packer.byte(static_cast<std::uint8_t>(type));
  body(packer);
  const std::span<std::byte, kPaddedSize> length(out.data() + start, kPaddedSize);
  write_padded(out.size() - start - kPaddedSize, length);
}

bool is_device(EntryType type) { return type == EntryType::kCharacter || type == EntryType::kBlock; }

std::uint8_t type_byte(const EntryRecord& entry) {
  unsigned bits = static_cast<unsigned>(entry.type);
  if (!entry.xattrs.empty()) bits |= kHasXattrs;
  if (entry.head) bits |= kIsLink;
  if (entry.is_head) bits |= kIsHead;
  if (entry.has_holes) bits |= kHasHoles;
  if (entry.digest) bits |= kHasDigest;
  return static_cast<std::uint8_t>(bits);
}

void put_time(Packer& packer, std::int64_t seconds, std::uint32_t nanoseconds) {
  packer.signed_number(seconds);
  packer.number(nanoseconds);
}

template <typename Record>
void get_time(Unpacker& unpacker, Record& record) {
  record.seconds = unpacker.signed_number();
  record.nanoseconds = static_cast<std::uint32_t>(unpacker.number(kMaxNanoseconds));
}

bool get_flag(Unpacker& unpacker) {
  const std::uint8_t value = unpacker.byte();
  if (value > 1) unpacker.fail();
  return value == 1;
}

FileStatus get_status(Unpacker& unpacker) {
  const std::uint8_t value = unpacker.byte();
  if (value > static_cast<std::uint8_t>(FileStatus::kVanished)) unpacker.fail();
  return static_cast<FileStatus>(value);
}

template <typename Record>
std::optional<Record> if_complete(const Unpacker& unpacker, Record record) {
  if (!unpacker.complete()) return {};
  return record;
}

void get_digest(Unpacker& unpacker, Digest128& digest) {
  const auto bytes = unpacker.raw(digest.size());
  std::copy(bytes.begin(), bytes.end(), digest.begin());
}

void get_xattrs(Unpacker& unpacker, std::vector<Xattr>& xattrs) {
  const auto count = unpacker.number(kMaxXattrs);
  for (std::uint64_t i = 0; i < count && unpacker.ok(); ++i) {
    const auto name = unpacker.text(kMaxName);
    xattrs.push_back({name, unpacker.text(kMaxXattrValue)});
    if (name.empty() || name.find('\0') != std::string_view::npos) unpacker.fail();
  }
}

void get_by_type(Unpacker& unpacker, std::uint8_t bits, EntryRecord& entry) {
  if (entry.type == EntryType::kFile) entry.size = unpacker.number(kMaxFileSize);
  if (is_device(entry.type)) {
    entry.device_major = static_cast<std::uint32_t>(unpacker.number(kMaxId));
    entry.device_minor = static_cast<std::uint32_t>(unpacker.number(kMaxId));
  }
  if (entry.type == EntryType::kSymlink) {
    entry.target = unpacker.text(kMaxLinkTarget);
    if (entry.target.empty() || entry.target.find('\0') != std::string_view::npos) unpacker.fail();
  }
  if ((bits & kIsLink) != 0) entry.head = unpacker.number();
  if ((bits & kHasDigest) != 0) {
    get_digest(unpacker, entry.digest.emplace());
  }
  if ((bits & kHasXattrs) != 0) get_xattrs(unpacker, entry.xattrs);
}

bool is_possible(const EntryRecord& entry) {
  const bool root = entry.name == "." && entry.parent == 0 && entry.type == EntryType::kDirectory;
  const bool linked = entry.head || entry.is_head;
  if (entry.has_holes && entry.type != EntryType::kFile) return false;
  if (linked && (entry.type == EntryType::kDirectory || (entry.head && entry.is_head))) return false;
  return root || is_component(entry.name);
}

}  // namespace

void throw_other_version(const std::string& attempt, unsigned version) {
  throw Error(Status::kProtocol, attempt,
              fmt::format("the other end sends trees by protocol {}, this is {}", version, kTreeVersion),
              "install the same version at both ends");
}

bool is_component(std::string_view name) {
  return !name.empty() && name.size() <= kMaxName && name != "." && name != ".." &&
         name.find('/') == std::string_view::npos && name.find('\0') == std::string_view::npos;
}

void append(const BeginRecord& record, std::vector<std::byte>& out) {
  append_record(RecordType::kBegin, out, [&](Packer& packer) {
    packer.byte(record.version);
    packer.byte(record.hears_peer ? 1 : 0);
    packer.byte(record.lists ? 1 : 0);
    packer.number(record.sources);
    packer.raw(record.host);
  });
}

void append(const IdentityRecord& record, std::vector<std::byte>& out) {
  append_record(RecordType::kIdentity, out, [&](Packer& packer) {
    packer.byte(record.group ? 1 : 0);
    packer.number(record.id);
    packer.text(record.name);
  });
}

void append(const EntryRecord& entry, std::vector<std::byte>& out) {
  append_record(RecordType::kEntry, out, [&](Packer& packer) {
    packer.byte(type_byte(entry));
    packer.number(entry.parent);
    packer.text(entry.name);
    packer.number(entry.mode | (entry.lacks_xattrs ? kLacksXattrs : 0));
    packer.number(entry.uid);
    packer.number(entry.gid);
    put_time(packer, entry.seconds, entry.nanoseconds);
    if (entry.type == EntryType::kFile) packer.number(entry.size);
    if (is_device(entry.type)) {
      packer.number(entry.device_major);
      packer.number(entry.device_minor);
    }
    if (entry.type == EntryType::kSymlink) packer.text(entry.target);
    if (entry.head) packer.number(*entry.head);
    if (entry.digest) packer.raw(*entry.digest);
    if (!entry.xattrs.empty()) packer.number(entry.xattrs.size());
    for (const Xattr& xattr : entry.xattrs) {
      packer.text(xattr.name);
      packer.text(xattr.value);
    }
  });
}

void append(const KeepRecord& record, std::vector<std::byte>& out) {
  append_record(RecordType::kKeep, out, [&](Packer& packer) {
    packer.number(record.parent);
    packer.text(record.name);
  });
}

void append(RecordType type, const RangeRecord& record, std::vector<std::byte>& out) {
  append_record(type, out, [&](Packer& packer) {
    packer.number(record.entry);
    packer.number(record.offset);
    packer.number(record.length);
  });
}

void append(const EndFileRecord& record, std::vector<std::byte>& out) {
  append_record(RecordType::kEndFile, out, [&](Packer& packer) {
    packer.number(record.entry);
    packer.byte(static_cast<std::uint8_t>(record.status));
    packer.number(record.size);
    put_time(packer, record.seconds, record.nanoseconds);
  });
}

void append(const LinkRecord& record, std::vector<std::byte>& out) {
  append_record(RecordType::kLink, out, [&](Packer& packer) { packer.number(record.entry); });
}

void append(const DirectoryEndRecord& record, std::vector<std::byte>& out) {
  append_record(RecordType::kDirectoryEnd, out, [&](Packer& packer) {
    packer.number(record.directory);
    packer.byte(record.complete ? 1 : 0);
  });
}

void append(const EndRecord& end, std::vector<std::byte>& out) {
  append_record(RecordType::kEnd, out, [&](Packer& packer) {
    for (const std::uint64_t count : {end.entries, end.files, end.directories, end.symlinks, end.specials,
                                      end.file_bytes, end.failed, end.vanished}) {
      packer.number(count);
    }
  });
}

void append_listed(std::vector<std::byte>& out) {
  append_record(RecordType::kListed, out, [](Packer& /*packer*/) {});
}

void append(const LineRecord& record, std::vector<std::byte>& out) {
  append_record(RecordType::kLine, out,
                [&](Packer& packer) { packer.text(record.text.substr(0, kMaxLine)); });
}

void append(const RawRecord& record, std::vector<std::byte>& out) {
  append_record(record.type, out, [&](Packer& packer) { packer.raw(record.body); });
}

std::size_t write_file_head(const FileRecord& record, std::size_t content,
                            std::span<std::byte, kMaxFileHead> out) {
  std::vector<std::byte> fields;
  fields.reserve(kMaxFileHead);
  Packer packer(fields);
  packer.byte(static_cast<std::uint8_t>(RecordType::kFile));
  packer.number(record.entry);
  packer.byte(static_cast<std::uint8_t>(record.status));
  put_time(packer, record.seconds, record.nanoseconds);
  write_padded(fields.size() + content, out.first<kPaddedSize>());
  std::copy(fields.begin(), fields.end(), out.begin() + kPaddedSize);
  return kPaddedSize + fields.size();
}

std::size_t file_head_size(std::uint64_t entry, std::int64_t seconds, std::uint32_t nanoseconds) {
  std::array<std::byte, kMaxFileHead> head{};
  return write_file_head({.entry = entry, .seconds = seconds, .nanoseconds = nanoseconds, .content = {}}, 0,
                         head);
}

std::optional<BeginRecord> decode_begin(std::span<const std::byte> body) {
  Unpacker unpacker(body);
  BeginRecord record;
  record.version = unpacker.byte();
  if (record.version != kTreeVersion && !body.empty()) return record;
  record.hears_peer = get_flag(unpacker);
  record.lists = get_flag(unpacker);
  record.sources = unpacker.number();
  get_digest(unpacker, record.host);
  return if_complete(unpacker, record);
}

std::optional<IdentityRecord> decode_identity(std::span<const std::byte> body) {
  Unpacker unpacker(body);
  IdentityRecord record;
  record.group = get_flag(unpacker);
  record.id = static_cast<std::uint32_t>(unpacker.number(kMaxId));
  record.name = unpacker.text(kMaxName);
  return if_complete(unpacker, record);
}

std::optional<EntryRecord> decode_entry(std::span<const std::byte> body) {
  Unpacker unpacker(body);
  EntryRecord entry;
  const std::uint8_t bits = unpacker.byte();
  entry.type = static_cast<EntryType>(bits & kTypeMask);
  if (entry.type < EntryType::kFile || entry.type > EntryType::kBlock) return {};
  entry.is_head = (bits & kIsHead) != 0;
  entry.has_holes = (bits & kHasHoles) != 0;
  entry.parent = unpacker.number();
  entry.name = unpacker.text(kMaxName);
  const std::uint64_t mode = unpacker.number(kLacksXattrs | 07777);
  entry.mode = static_cast<std::uint32_t>(mode & 07777);
  entry.lacks_xattrs = (mode & kLacksXattrs) != 0;
  entry.uid = static_cast<std::uint32_t>(unpacker.number(kMaxId));
  entry.gid = static_cast<std::uint32_t>(unpacker.number(kMaxId));
  get_time(unpacker, entry);
  get_by_type(unpacker, bits, entry);
  if (!unpacker.complete() || !is_possible(entry)) return {};
  return entry;
}

std::optional<KeepRecord> decode_keep(std::span<const std::byte> body) {
  Unpacker unpacker(body);
  KeepRecord record;
  record.parent = unpacker.number();
  record.name = unpacker.text(kMaxName);
  if (!is_component(record.name)) unpacker.fail();
  return if_complete(unpacker, record);
}

std::optional<FileRecord> decode_file(std::span<const std::byte> body) {
  Unpacker unpacker(body);
  FileRecord record;
  record.entry = unpacker.number();
  record.status = get_status(unpacker);
  get_time(unpacker, record);
  if (!unpacker.ok()) return {};
  record.content = unpacker.rest();
  return record;
}

std::optional<RangeRecord> decode_range(std::span<const std::byte> body) {
  Unpacker unpacker(body);
  RangeRecord record;
  record.entry = unpacker.number();
  record.offset = unpacker.number(kMaxFileSize);
  record.length = unpacker.number(kMaxFileSize - record.offset);
  if (record.length == 0) unpacker.fail();
  return if_complete(unpacker, record);
}

std::optional<EndFileRecord> decode_end_file(std::span<const std::byte> body) {
  Unpacker unpacker(body);
  EndFileRecord record;
  record.entry = unpacker.number();
  record.status = get_status(unpacker);
  record.size = unpacker.number(kMaxFileSize);
  get_time(unpacker, record);
  return if_complete(unpacker, record);
}

std::optional<LinkRecord> decode_link(std::span<const std::byte> body) {
  Unpacker unpacker(body);
  const LinkRecord record{unpacker.number()};
  return if_complete(unpacker, record);
}

std::optional<DirectoryEndRecord> decode_directory_end(std::span<const std::byte> body) {
  Unpacker unpacker(body);
  DirectoryEndRecord record;
  record.directory = unpacker.number();
  record.complete = get_flag(unpacker);
  return if_complete(unpacker, record);
}

std::optional<EndRecord> decode_end(std::span<const std::byte> body) {
  Unpacker unpacker(body);
  EndRecord end;
  for (std::uint64_t* count : {&end.entries, &end.files, &end.directories, &end.symlinks, &end.specials,
                               &end.file_bytes, &end.failed, &end.vanished}) {
    *count = unpacker.number();
  }
  return if_complete(unpacker, end);
}

std::optional<LineRecord> decode_line(std::span<const std::byte> body) {
  Unpacker unpacker(body);
  const LineRecord record{unpacker.text(kMaxLine)};
  return if_complete(unpacker, record);
}

void EndRecord::add(const EntryRecord& entry) {
  ++entries;
  if (entry.type == EntryType::kDirectory) {
    ++directories;
  } else if (entry.type == EntryType::kSymlink) {
    ++symlinks;
  } else {
    ++(entry.type == EntryType::kFile ? files : specials);
  }
  if (entry.has_content()) file_bytes += entry.size;
}

bool EndRecord::lists_as(const EndRecord& other) const {
  const auto listed = [](const EndRecord& end) {
    return std::tie(end.entries, end.files, end.directories, end.symlinks, end.specials, end.file_bytes);
  };
  return listed(*this) == listed(other);
}

}  // namespace rdpipe
