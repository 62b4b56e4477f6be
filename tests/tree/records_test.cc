// The records, notes, filters and modes of a tree: bytes and texts in, values out.
#include "catch.h"
#include "tree/filter.h"
#include "tree/mode_change.h"
#include "tree/names.h"
#include "tree/note.h"
#include "tree/record.h"

using namespace rdpipe;

namespace {

EntryRecord full_entry() {
  EntryRecord entry;
  entry.type = EntryType::kFile;
  entry.parent = 300;
  entry.name = "a name\n\xFF";
  entry.mode = 06755;
  entry.uid = 4'000'000'000;
  entry.gid = 7;
  entry.seconds = -5;
  entry.nanoseconds = 999'999'999;
  entry.size = std::uint64_t{1} << 40;
  entry.is_head = true;
  entry.digest = Digest128{std::byte{1}};
  entry.xattrs = {{"user.a", std::string_view("v\0w", 3)}, {"user.b", ""}};
  entry.lacks_xattrs = true;
  return entry;
}

}  // namespace

TEST_CASE("an entry reads as it was written, however it is cut") {
  std::vector<std::byte> bytes;
  append(full_entry(), bytes);
  append(LinkRecord{5}, bytes);
  for (std::size_t cut = 1; cut < bytes.size(); ++cut) {
    RecordReader reader;
    std::vector<RecordType> types;
    const auto read = [&](std::span<const std::byte> frame) {
      reader.add(frame);
      while (const auto record = reader.next()) {
        types.push_back(record->type);
        if (record->type != RecordType::kEntry) continue;
        const auto entry = decode_entry(record->body);
        REQUIRE(entry);
        CHECK(entry->name == full_entry().name);
        CHECK(entry->seconds == -5);
        CHECK(entry->size == std::uint64_t{1} << 40);
        CHECK(entry->mode == 06755);
        CHECK(entry->lacks_xattrs);
        CHECK(entry->xattrs.size() == 2);
        CHECK(entry->xattrs[0].value.size() == 3);
        CHECK(entry->digest == full_entry().digest);
      }
    };
    read(std::span(bytes).first(cut));
    read(std::span(bytes).subspan(cut));
    CHECK(types == std::vector<RecordType>{RecordType::kEntry, RecordType::kLink});
    CHECK_FALSE(reader.malformed());
  }
}

TEST_CASE("names that are no single component are malformed") {
  for (const std::string_view name : {"", ".", "..", "a/b", "/"}) {
    EntryRecord entry;
    entry.type = EntryType::kFile;
    entry.name = name;
    std::vector<std::byte> bytes;
    append(entry, bytes);
    RecordReader reader;
    reader.add(bytes);
    CHECK_FALSE(decode_entry(reader.next()->body));
  }
  CHECK_FALSE(is_component(std::string_view("a\0b", 3)));
}

TEST_CASE("no truncated record is taken for a whole one") {
  std::vector<std::byte> bytes;
  append(full_entry(), bytes);
  for (std::size_t size = 0; size + kPaddedSize + 1 < bytes.size(); ++size) {
    CHECK_FALSE(decode_entry(std::span(bytes).subspan(kPaddedSize + 1, size)));
  }
}

TEST_CASE("the head of a file has the size that was said") {
  std::array<std::byte, kMaxFileHead> head{};
  const FileRecord record{.entry = 1'000'000, .seconds = 1'700'000'000, .nanoseconds = 5, .content = {}};
  const std::size_t size = write_file_head(record, 3, head);
  CHECK(size == file_head_size(record.entry, record.seconds, record.nanoseconds));
  std::vector<std::byte> frame(head.begin(), head.begin() + static_cast<std::ptrdiff_t>(size));
  frame.resize(size + 3, std::byte{9});
  RecordReader reader;
  reader.add(frame);
  const auto read = reader.next();
  REQUIRE(read);
  CHECK(reader.in_frame());
  CHECK(decode_file(read->body)->content.size() == 3);
}

TEST_CASE("notes read as they were written") {
  const auto verdicts =
      decode_note(encode(VerdictNote{{{TreeVerdict::kSend, 1000}, {TreeVerdict::kSkip, 1}}}));
  REQUIRE(verdicts);
  CHECK(std::get<VerdictNote>(*verdicts).runs[0] == VerdictNote::Run{TreeVerdict::kSend, 1000});
  const auto leaves = decode_note(encode(LeavesNote{3, 500, {Digest128{}, Digest128{std::byte{1}}}}));
  REQUIRE(leaves);
  CHECK(std::get<LeavesNote>(*leaves).leaves.size() == 2);
  const auto report = decode_note(encode(ReportNote{.deleted = 9}));
  REQUIRE(report);
  CHECK(std::get<ReportNote>(*report).deleted == 9);
  CHECK_FALSE(decode_note(std::vector<std::byte>{std::byte{99}}));
  CHECK_FALSE(decode_note({}));
}

TEST_CASE("patterns match as rsync's do") {
  CHECK(matches_pattern("*.c", "a.c"));
  CHECK_FALSE(matches_pattern("*.c", "d/a.c"));
  CHECK(matches_pattern("**.c", "d/a.c"));
  CHECK(matches_pattern("a?[b-d]", "axc"));
  CHECK_FALSE(matches_pattern("a?[!b-d]", "axc"));
  CHECK(matches_pattern("a\\*", "a*"));
  CHECK_FALSE(matches_pattern("a\\*", "ab"));
  CHECK(matches_pattern("*a*b*c", "xxaxxbxxc"));
  const Filters filters({{true, "/keep/*.txt"}, {false, "/keep/*"}, {false, "tmp/"}, {false, "sub/x"}});
  CHECK_FALSE(filters.excludes("keep/a.txt", false));
  CHECK(filters.excludes("keep/a.bin", false));
  CHECK(filters.excludes("d/tmp", true));
  CHECK_FALSE(filters.excludes("d/tmp", false));
  CHECK(filters.excludes("d/sub/x", false));
  CHECK_FALSE(filters.excludes("dsub/x", false));
}

TEST_CASE("classes match as rsync's do") {
  CHECK(matches_pattern("[[:alpha:]]*", "name"));
  CHECK_FALSE(matches_pattern("[[:alpha:]]*", "1"));
  CHECK(matches_pattern("[![:digit:]_]", "a"));
  CHECK_FALSE(matches_pattern("[![:digit:]_]", "_"));
  CHECK(matches_pattern("[]-]", "]"));
  CHECK(matches_pattern("[a-]", "-"));
  CHECK(matches_pattern("[\\]x]", "]"));
  CHECK_FALSE(matches_pattern("[[:none:]]", "n"));
  CHECK_FALSE(matches_pattern("[a", "[a"));
}

TEST_CASE("patterns match at the top, and a plain one as it stands") {
  const Filters filters({{false, "**/file.*"}, {false, "back\\slash"}, {false, "/dir/***"}});
  CHECK(filters.excludes("file.c", false));
  CHECK(filters.excludes("d/e/file.c", false));
  CHECK_FALSE(filters.excludes("d/xfile.c", false));
  CHECK(filters.excludes("d/back\\slash", false));
  CHECK_FALSE(filters.excludes("backslash", false));
  CHECK(filters.excludes("dir", true));
  CHECK(filters.excludes("dir/a/b", false));
  CHECK_FALSE(filters.excludes("dir", false));
}

TEST_CASE("modes change as rsync's --chmod says") {
  CHECK(ModeChange::parse("D755,F644", 022)->apply(0700, true) == 0755);
  CHECK(ModeChange::parse("D755,F644", 022)->apply(0700, false) == 0644);
  CHECK(ModeChange::parse("go-w,u+x", 022)->apply(0666, false) == 0744);
  CHECK(ModeChange::parse("a=rX", 022)->apply(0644, false) == 0444);
  CHECK(ModeChange::parse("a=rX", 022)->apply(0644, true) == 0555);
  CHECK(ModeChange::parse("g=u", 022)->apply(0640, false) == 0660);
  CHECK(ModeChange::parse("o+g", 022)->apply(0641, false) == 0645);
  CHECK(ModeChange::parse("go-u", 022)->apply(0567, false) == 0522);
  CHECK(ModeChange::parse("u=rwX,g=u,o=", 022)->apply(0755, true) == 0770);
  CHECK_FALSE(ModeChange::parse("g=us", 022));
  CHECK_FALSE(ModeChange::parse("q+x", 022));
  CHECK(check_chmod("u!x"));
  CHECK_FALSE(check_chmod(""));
}

TEST_CASE("a set of names knows what it has") {
  NameSet names;
  for (int i = 0; i < 10'000; ++i) REQUIRE(names.insert(std::to_string(i)));
  CHECK_FALSE(names.insert("77"));
  CHECK(names.contains("9999"));
  CHECK_FALSE(names.contains("10000"));
}

// Without a secret, whatever follows the first eight bytes of XXH3's own is multiplied by zero.
TEST_CASE("names that meet by design do not") {
  NameSet names;
  for (int i = 0; i < 1000; ++i) {
    const std::string free = std::to_string(10'000'000 + i);
    REQUIRE(names.insert("\xb8\xfe\x6c\x39\x23\xa4\x4b\xbe" + free + "0123456789abcdef"));
  }
  CHECK(names.size() == 1000);
}
